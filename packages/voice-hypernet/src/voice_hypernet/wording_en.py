"""English that no grammar would write: idioms, trades, comparisons, by tag and value.

It widens the words of ``voice_data.describe`` for training; roles are those of ``Words``, and
``heard`` holds fragments that stand alone.
"""

from __future__ import annotations

from voice_data.describe.words import Lexicon, Words
from voice_hypernet.sound_en import SOUND

LEXICON: Lexicon = {
    "pitch": {
        "very low": Words(
            voice="bottomless|abyssal|earth-shaking|sub-bass|as low as it goes|super deep",
            thing="a voice like distant thunder|a bass you feel in your ribs|the deepest bass",
            clause="goes lower than anyone|shakes the walls with the bass",
            heard="lowest voice possible|like an earthquake|like a giant's|basso profundo"
            "|like a subwoofer|ultra low|deep as the ocean|super duper deep",
        ),
        "low": Words(
            voice="gravel-deep|bassy|chesty|sonorous|low-slung|thick|full|weighty|heavy|throaty"
            "|sultry|smoky|baritonal|rumbly|hefty|contralto|manly deep|lowish|on the low side",
            person="deep-throated|bass-heavy|low-toned",
            thing="a rumbling baritone|a bass tone|chest resonance|a voice like a foghorn"
            "|some bass|a voice from the chest|the pitch down|depth and weight"
            "|a cello-like sound",
            manner="from the chest|with depth|down in the basement|in the bass clef|in a growl"
            "|an octave down|with gravitas|in a rumble",
            clause="rumbles|growls|booms|grumbles along|has a lot of bass|drops the voice low"
            "|sounds like a bear|has chest tones",
            heard="like Darth Vader|like James Earl Jones|Morgan Freeman type|like an old bear"
            "|like a bassoon|like a double bass|movie trailer guy|like thunder|pitch it down"
            "|lower the pitch|Batman style|like a big dog|like an ogre|deep voice"
            "|like a foghorn|alto|like a lion|tuba|husky low|low pitch please|some more bass",
        ),
        "medium": Words(
            voice="not-too-high-not-too-low|mid-toned|averagely pitched|in-between",
            thing="a standard pitch|a pitch in the middle|a typical pitch|a regular pitch",
            manner="at a usual pitch|in the mid range|at a normal pitch",
            heard="pitch in between|neither high nor low|neither deep nor shrill"
            "|middle of the road pitch|mid pitch|nothing special about the pitch",
        ),
        "high": Words(
            voice="squealing|girlish|fluting|tinkling|bird-like|nasal high|thin|airy high|childish"
            "|mousy|elfin|twittering|highish|bell-like|flutelike|cutesy|whiny|helium-like"
            "|boyish",
            person="thin-voiced|shrill-voiced",
            thing="a voice like a flute|a tinkling voice|a head voice|a voice like a bell"
            "|the pitch up|high notes|a thin little voice|a voice like a piccolo",
            manner="in a head voice|an octave up|in a squeal|in the upper register|in a squeak",
            clause="squeaks|chirps|pipes up|squeals|tweets like a bird|twitters|trills|whines",
            heard="like a mouse|like Mickey Mouse|like a bird|like a pixie|like an elf|castrato"
            "|pitch it up|raise the pitch|like a flute|countertenor|treble voice"
            "|like a squirrel|like a little bell|like a soprano|anime girl style|like Minnie"
            "|cartoonish high|high voice|like a violin|as if sucking helium|high pitch please"
            "",
        ),
        "very high": Words(
            voice="ear-splitting high|stratospheric|ultra-high|ridiculously high|super squeaky",
            thing="a helium voice|the highest voice there is|glass-shattering notes",
            clause="squeals like a piglet|reaches notes that break glass",
            heard="as high as possible|like a chipmunk|whistle register|only bats can hear it"
            "|ultra high|like on helium|high as a kite string",
        ),
    },
    "range": {
        "very narrow": Words(
            voice="wooden|machine-like|dead|expressionless|zombie-like|computerlike|toneless",
            thing="zero emotion|no expression whatsoever|a poker face|a dull drone",
            manner="without any feeling|like a robot|mechanically|in a drone|without expression",
            clause="reads like a phone menu|sounds bored to death|never changes tone",
            heard="text-to-speech robot|like a machine|bored|like reading a phone book|like HAL"
            "|emotion off|apathetic|dead inside|like an answering machine|one note only"
            "|dry as dust",
        ),
        "narrow": Words(
            voice="unruffled|cool|sedate|dignified|meditative|sober|grave|matter-of-fact|laid-back"
            "|easygoing|mild-mannered|hypnotic|subdued in melody|poised|formal|businesslike"
            "|chill",
            person="level-headed|phlegmatic|imperturbable|cool-headed|quiet-natured|stern",
            thing="a soothing manner|great composure|a steady tone",
            manner="matter-of-factly|soberly|peacefully|serenely|with composure|in a soothing way",
            clause="keeps cool|never raises an eyebrow|stays composed|sounds like meditation"
            "|remains calm",
            heard="like a meditation app|keep calm|chilled out|like a news anchor|no drama"
            "|like a therapist|like still water|relaxing|ASMR calm|like a judge|like a doctor"
            "|keep it level|zen master|without getting worked up|unexcited",
        ),
        "medium": Words(
            voice="down-to-earth|ordinary-sounding|chatty but normal|naturally spoken",
            thing="normal intonation|an everyday tone|the tone of a chat",
            manner="like in a normal chat|naturally|like people talk",
            heard="everyday intonation|just like talking|normal melody|as in conversation",
        ),
        "wide": Words(
            voice="bubbly|colourful|jolly|peppy|zesty|fiery|joyful|excitable|merry"
            "|vibrant|dynamic|giggly|bouncy|jaunty|gleeful|ardent|full of feeling",
            person="high-spirited|bubbly|excitable|warm-blooded|fun-loving|effervescent|jolly",
            thing="lots of emotion|loads of energy|a smile in the voice|plenty of feeling"
            "|changing tones|enthusiasm",
            manner="with feeling|with gusto|with excitement|with a grin|with passion|joyfully"
            "|with enthusiasm|cheerfully|excitedly|energetically|with verve",
            clause="bubbles over|is bursting with energy|can hardly contain the excitement"
            "|paints pictures with the voice|is full of life|laughs while talking",
            heard="like a kids' show host|storyteller|like a radio ad|put emotion in it|so excited"
            "|full of energy|like a puppy|thrilled|like a cheering fan|party mood|fun|woohoo",
        ),
        "very wide": Words(
            voice="operatic|bombastic|melodramatic|over-acted|hammed-up|rollercoaster",
            thing="the full drama|a rollercoaster of tones|melodrama in every word",
            manner="like on a stage|like Shakespeare|with huge drama|melodramatically",
            clause="acts as if on Broadway|weeps and laughs in one sentence|overacts",
            heard="drama queen|like an opera|Shakespearean actor|overacting|telenovela"
            "|as dramatic as possible|pantomime",
        ),
    },
    "rate": {
        "very slow": Words(
            voice="glacial|snail-like|ultra-slow|painfully slow|super slow|sloth-like",
            thing="endless pauses|a snail's pace|a glacial tempo|the speed of a tortoise",
            manner="at a snail's pace|at a glacial pace|ever so slowly|in slow motion"
            "|one. word. at. a. time|as slowly as possible",
            clause="takes forever|crawls along|needs an eternity per sentence"
            "|speaks in slow motion",
            heard="like a sloth|like a snail|half speed|in slow mo|slow as molasses|super slow"
            "|as slow as it gets|like a tortoise|0.5x speed|extremely slow please",
        ),
        "slow": Words(
            voice="lazy|languid|drawly|ambling|relaxed in tempo|slowish|sleepy|drowsy|lingering"
            "|slow-moving|thoughtful and slow|dawdling|on the slow side|plummy and slow",
            person="slow-tongued|drawling|languid|in-no-hurry",
            thing="a drawl|a southern drawl|long pauses|time to spare|an easy pace|wide pauses"
            "|a relaxed tempo|pauses between words",
            manner="with a drawl|with long pauses|taking time|lazily|languidly|at walking pace"
            "|word by word|nice and slow|at an easy pace|step by step|at half pace|sleepily",
            clause="takes all the time in the world|drawls|pauses after every word"
            "|isn't in a hurry|has all day|savours every word|ambles along"
            "|dwells on each syllable|lets words sink in|weighs each word"
            "|speaks as if half asleep|dictates word by word",
            heard="take your time|not in a hurry|slower please|like a lullaby|like a turtle"
            "|for beginners|so I can take notes|easy to follow pace|no hurry at all"
            "|like a grandfather clock|as if dictating|go slow|slow pace|adagio|low speed"
            "|lots of pauses|Sunday afternoon pace|like honey dripping|leisurely stroll",
        ),
        "medium": Words(
            voice="normally paced|regular-speed|ordinarily paced",
            thing="a regular pace|a usual tempo|a typical speed|an everyday speed",
            manner="at a normal pace|at normal speed|at an ordinary rate|at a regular speed",
            heard="1x speed|regular tempo|neither fast nor slow|neither quick nor slow"
            "|standard speed|not fast and not slow|pace as usual|in a normal tempo",
        ),
        "fast": Words(
            voice="hasty|nimble|breathless|zippy|rattling|jabbering|quickfire|chattering|babbling"
            "|fast-moving|hectic|impatient|pattering|hurrying|chatty and quick|fastish|racing"
            "|agile|on the fast side|prattling",
            person="fast-tongued|quick-tongued|hasty|gabby|motor-mouthed|impatient|garrulous",
            thing="a torrent of words|no pauses|words like bullets|a rush of words|a quick tongue"
            "|a stream of words|rapid speech|haste",
            manner="a mile a minute|in a hurry|in a rush|hastily|without pausing|in one breath"
            "|at full tilt|at a gallop|at double speed|without taking a breath|at a clip"
            "|on the run|like a shot|nonstop|at speed|with haste|breathlessly",
            clause="speaks a mile a minute|talks nineteen to the dozen|never comes up for air"
            "|chatters away|blurts everything out|babbles on|is in a hurry|gushes|spits words"
            "|jabbers|doesn't pause|runs words together|fires off sentences"
            "|zips through the text|crams in the words|is always late for something"
            "|can't wait to finish",
            heard="speed up|hurry up|faster please|motormouth|auctioneer|like a rapper|chatterbox"
            "|double speed|1.5x speed|like a machine gun|quick|blah blah blah nonstop"
            "|like lightning|like a racing commentator|like a disclaimer at the end of an ad"
            "|presto|no time to lose|sped up|tongue twister speed|caffeinated"
            "|as if late for a train|allegro|in a flash|quick tempo|high speed"
            "|like a squirrel on coffee|rushing|pressed for time",
        ),
        "very fast": Words(
            voice="lightning-quick|supersonic|blisteringly fast|ultra-fast|super fast",
            thing="a dizzying speed|a supersonic pace|an insane tempo",
            manner="at warp speed|at lightning speed|as fast as possible|at top speed"
            "|full throttle|like a bullet train|too fast to follow",
            clause="talks so fast nobody can follow|goes at warp speed|is a blur of words",
            heard="2x speed|triple speed|world's fastest talker|like Eminem|turbo|maximum speed"
            "|super fast|insanely fast|faster than light",
        ),
    },
    **SOUND,
}
LEXICON["relative_pitch"] = LEXICON["pitch"]
