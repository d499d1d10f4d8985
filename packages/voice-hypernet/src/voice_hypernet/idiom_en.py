"""More English for how high and how fast somebody speaks, and things that sound so."""

from __future__ import annotations

from voice_data.describe.words import Lexicon, Words

LEXICON: Lexicon = {
    "pitch": {
        "very low": Words(
            voice="unfathomably deep|tectonic|infernally low|fathoms-deep|monstrously deep"
            "|impossibly low|inhumanly deep|seismic",
            thing="a voice from the bottom of the sea|the lowest notes a human can make",
            clause="rattles the windows|makes the floor shake|goes down to the lowest key",
            heard="as deep as it gets|lowest on the piano|rock bottom pitch|below the bass clef",
        ),
        "low": Words(
            voice="cellar-deep|stentorian low|booming and deep|grave-deep|robust and low|stout"
            "|burly|big-chested|bear-like|brawny|masculine and deep|bellowing|guttural"
            "|resounding low|growling|grumbling|rumbling low|baritone-ish|bass-like|tubby"
            "|full-bodied and low|heavyset|meaty|subterranean-ish|lower than average"
            "|deeper than usual|deeper than most|rather deep|down low|beefy|plummy and deep"
            "|bottom-heavy|low and husky|boomy|bullish|leathery low",
            person="barrel-chested|broad-chested|bull-necked|deep-chested|bass-toned",
            thing="a voice down in the boots|a voice like an organ pipe|low notes"
            "|a deep bottom end|a voice from the cellar|bottom-end weight|rumble"
            "|a voice that starts in the belly|a deep resonance|a low-set voice"
            "|a voice like a bull|plenty of bass|a voice two floors down"
            "|a deep timbre in pitch|a voice one feels in the floor|testosterone in the voice",
            manner="from the belly|from the diaphragm, down low|in a bass|in a baritone"
            "|with a growl underneath|in the lower octave|on low notes|from the boots"
            "|in the bottom of the range|with chest voice|at the low end"
            "|at the bottom of the keyboard|below middle C|a fifth below others",
            clause="could sing bass|could sing the tenor line for the altos|sings the bass part"
            "|makes the glasses hum|makes the table vibrate|speaks from the belly"
            "|has a deep voice|lets the voice sink|sits low|keeps it deep"
            "|digs down for the notes|sounds like a man on the phone"
            "|sits in the lower register|is deeper than expected",
            heard="grave and low|lower register|bass clef|with the bass turned up|bottom end"
            "|more depth|make it deep|a deeper one|go low|an octave lower|with a deeper pitch"
            "|lower voice|you feel it in the floor|you feel it in the stomach|grr"
            "|the opposite of shrill|nothing shrill|no squeak in it|like a full-grown man"
            "|like a grown man|voice broke early|voice long broken|boom boom|rumble rumble"
            "|deep deep|lower pitch|reduced pitch|lowered pitch",
        ),
        "medium": Words(
            voice="mid-register|normally pitched|middling in pitch|ordinary in pitch"
            "|center-pitched",
            thing="nothing unusual in the pitch|a pitch like everybody's"
            "|the pitch of an average person|a run-of-the-mill pitch|a middling register"
            "|an everyday pitch",
            manner="at everybody's pitch|around middle C|halfway between high and low",
            heard="neither bass nor treble|neither squeaky nor booming|neither low nor high"
            "|average in pitch|somewhere in the middle of the range|ordinary pitch"
            "|regular pitch|not high and not low|not too deep and not too high|usual register"
            "|standard register|comfortable middle pitch",
        ),
        "high": Words(
            voice="peeping|chirrupy|chirruping|doll-like|mouse-like|fluty|yelping|yappy|yodelling"
            "|keening|pipy|whistling|kittenish|chirping|warbling|trilling|shrieking|screeching"
            "|squealy|squeaking|tinny-high|wee|dinky|sopranino|piccolo-like|childlike and high"
            "|falsetto-like|girly|lilting high|tiny and high|puny|pinched|nasal and high"
            "|spindly|up high|bleating|singing high|higher than most|higher than average"
            "|higher than usual|rather high|pretty high|unbroken|prepubescent|pubescent"
            "|babyish|baby-like|cartoony|elf-like|feathery high|bright and high|sweet and high"
            "|small and high|chipmunky|ultra-feminine high",
            person="small-voiced|squeak-prone|kitten-voiced|mouse-voiced",
            thing="a voice like a kettle|a tiny voice|a doll's voice|a voice up in the rafters"
            "|a voice in the clouds|a voice up on tiptoes|baby talk|a squeak|a squeal|a chirp"
            "|a piping tone|a voice that never broke|an unbroken voice|a falsetto"
            "|a childish pitch|a voice like a whistle|a soprano range|high tones all over"
            "|a voice like a piccolo flute|a choirboy tone|a voice on helium|a bird's voice",
            manner="in falsetto|up where violins play|at the top of the keyboard"
            "|at the top of the range|in the treble clef|up on the high notes|in a piping way"
            "|in baby talk|in a childlike tone|up in the clouds|at the high end"
            "|an octave above|squeakily|shrilly|reedily|with a squeak|on high notes|in the sky",
            clause="could sing soprano|sings the descant|hits high notes|yelps|yaps|coos|tweets"
            "|whistles the words|makes dogs prick up their ears|peeps|cheeps"
            "|pipes like a choirboy|sits high|sits up top|goes up at every chance|screeches"
            "|flutes|warbles|bleats|shrieks|speaks with a squeak|whinnies|yodels"
            "|is up in the air",
            heard="up high please|higher register|treble clef|more treble in the pitch|dog whistle"
            "|the sort of voice dogs hear|the opposite of deep|the opposite of a bass"
            "|nothing deep|no depth at all|no bass at all|an octave higher|go high"
            "|raised pitch|higher pitch|make it squeaky|a higher one|higher voice"
            "|voice not broken yet|eek|before puberty|before the voice broke|voice never broke"
            "|little squeaky thing|squeak|squeak squeak|tweet tweet|cutie voice|kawaii"
            "|anime style high|tiny like a doll|increased pitch|chirp chirp|peep"
            "|up in the stratosphere nearly",
        ),
        "very high": Words(
            voice="ultrasonic|glass-breaking|helium-filled|impossibly high|inhumanly high",
            thing="the highest notes a human can make|a dog-whistle voice",
            heard="so high it hurts|highest on the piano|only dogs can hear it"
            "|above the treble clef|beyond soprano|off the top of the keyboard",
        ),
    },
    "rate": {
        "very slow": Words(
            voice="agonisingly slow|excruciatingly slow|slower than slow|comatose",
            manner="slower than a snail|at a funeral pace|with ages between the words",
            clause="leaves a minute between words|falls asleep between words|hardly moves forward"
            "|needs a week for a sentence|makes you wait for every word",
            heard="so slow it hurts|slowest possible|paint drying|like watching paint dry"
            "|quarter speed|slower than a glacier|continental drift",
        ),
        "slow": Words(
            voice="dilatory|tardy|slow-motion-like|lumbering|trudging|sauntering|strolling"
            "|meandering|loitering|dallying|lagging|creeping|lethargic|listless|torpid"
            "|slow-going|slow-spoken|laboured|solemnly slow|stretched|elongated|prolonged"
            "|halting|hesitant|pondering|pausing|lento|ritardando|droopy|tortoise-like"
            "|half-speed|calm and slow|rather slow|slower than most|slower than usual"
            "|slower than average|deliberately paced|unrushed|relaxed and slow|tranquilised"
            "|tired|weary|yawning|logy|phlegmatically slow|long-drawn|dozy|sleepy-slow|idle"
            "|groggy",
            person="slow-moving in speech|word-weighing|slow-witted sounding|never-rushed|pausing",
            thing="long gaps|gaps between words|wide gaps|a dawdle|a slow drawl|stretched vowels"
            "|long vowels|all the time in the world|a funeral march tempo|a gentle tempo"
            "|a reduced speed|a lower speed|a dragging tempo|a lazy tempo"
            "|a pause after each word|plenty of pauses|silence between the sentences"
            "|a lullaby tempo|patience with every word",
            manner="without haste|without any rush|at a stroll|at a saunter|at a tortoise's pace"
            "|at half speed|at a dawdle|with pauses|with room to breathe|at dictation speed"
            "|haltingly|in measured steps|in measured tones|one word at a time"
            "|syllable by syllable|letter by letter|bit by bit|little by little|piece by piece"
            "|at a reduced speed|a little at a time|as if tired|as if thinking aloud"
            "|with great deliberation|as if time stood still|lazily slow|wearily|sluggish-like"
            "|ploddingly|as if wading through mud|lingeringly|hesitantly|ruminatively"
            "|thoughtfully slow|drowsily|tiredly|languorously|at leisure",
            clause="dawdles|drags|lingers|lingers over the words|dithers|plods"
            "|trudges through words|saunters through sentences|strolls through the text"
            "|lumbers along|creeps along|meanders|stretches the vowels|draws out every word"
            "|draws the words out|spins it out|takes a breath after each word|dilly-dallies"
            "|spells everything out|spells it out|leaves gaps|leaves long silences"
            "|holds every note|lets the silence do the work|never rushes|refuses to be rushed"
            "|won't be rushed|is never in a rush|has nowhere to be|speaks without hurry"
            "|yawns through it|slows down|takes it slow|takes it easy with the tempo"
            "|makes you want to finish the sentence|gives you time to write it down"
            "|pauses to think|stops between words|crawls|thinks before every word"
            "|chews the words|rolls the words around the mouth|mulls|measures out the words"
            "|sighs through each word|makes a meal of every word|dozes",
            heard="slow it down|slower pace|lower speed|reduce the speed|reduced tempo"
            "|take it slow|foot off the gas|hit the brakes|drop the tempo|not so quick"
            "|don't rush|without rushing|do not hurry|slowly slowly|slooow|sloooowly"
            "|nice and easy pace|for learners|for language learners|dictation speed"
            "|for children to follow|finish the sentence for him"
            "|wanting to finish the sentences|I nearly fell asleep between words"
            "|one word per breath|time to think between words|island time|southern pace"
            "|bedtime story pace|0.75x|half tempo|largo|andante|breathe between words"
            "|like treacle|like molasses|like syrup|like a slow river|like a funeral march"
            "|like a Sunday stroll|slow motion",
        ),
        "medium": Words(
            voice="evenly paced|ordinarily quick|middling in tempo|regularly paced|usual-paced",
            thing="a conversational tempo|a pace like everybody's|an in-between tempo|a usual pace"
            "|a comfortable walking tempo|a run-of-the-mill pace",
            manner="at a conversational tempo|at everybody's pace|at the usual speed"
            "|at the speed of normal conversation|neither hurrying nor dragging",
            heard="neither rushed nor slow|neither hurried nor slow|not too fast, not too slow"
            "|speed nothing special|average speed|everyday tempo|ordinary speed"
            "|comfortable speed|middle speed|1.0x",
        ),
        "fast": Words(
            voice="galloping|sprinting|scampering|scurrying|bustling|dashing|hurtling|whirlwind"
            "|express|accelerated|sped-up|speeding|gushing|torrential|effusive and quick"
            "|staccato|rattly|clattering|volleying|breathless and quick|busy|hyper|hyperactive"
            "|frenetic|manic|frenzied|feverish|antsy|jittery|restless|rushing|overeager"
            "|eager and quick|zooming|quick-witted|brisk and businesslike|expeditious"
            "|double-quick|vivace|pacy|up-tempo|uptempo|high-speed|high-tempo|faster than most"
            "|faster than usual|faster than average|rather quick|pretty fast|non-stop"
            "|unstoppable|yakking|blathering|motormouthed|talkative and quick|wordy and quick"
            "|pell-mell|headlong|caffeinated-sounding|wired",
            person="fast-mouthed|talkative|chatty|hyperactive|restless|always-rushing|gossipy"
            "|voluble|loquacious|overexcited and quick",
            thing="words tumbling over each other|a gallop|a sprint|rush|hurry|hardly a breath"
            "|no breath in between|no room for a word|no gaps|an express tempo"
            "|an increased speed|a higher speed|a quickened tempo|an accelerated tempo"
            "|a running commentary|a mouth like a motor|a mouth that never stops"
            "|a flood of words|a gush|a hail of words|a waterfall of words|a stream of chatter"
            "|a burst of words|lots of words per minute|a high word count per minute"
            "|a mile-a-minute delivery",
            manner="at a run|at a sprint|on fast forward|in a gallop|like there's no tomorrow"
            "|as if late|as if on fire|as if chased|as if the house were burning"
            "|at an increased speed|in quick succession|in a torrent|in a flurry"
            "|with hardly a breath|without stopping|without drawing breath|without a pause"
            "|with no pause|without punctuation|in a whirl|at a rate of knots|full speed ahead"
            "|lickety-split|apace|in double quick time|in no time|pronto|hell for leather"
            "|helter-skelter|pell-mell-like|at a trot|at a canter|hurryingly|posthaste"
            "|chattily|feverishly|at pace|on the double",
            clause="gallops|sprints through the text|races|races on|rushes|dashes on|hurries"
            "|scurries on|rips through the news|rattles|rattles off the lines"
            "|reels off the lines|rattles on|gabbles|gibbers|jabbers on|yaks|yaps on|blabs"
            "|blathers|gabs|goes on and on without a breath|never stops for breath"
            "|hardly breathes|won't let anyone interrupt|leaves no gap|skips the pauses"
            "|swallows syllables|swallows half the words in haste|trips over words"
            "|stumbles ahead|gets three sentences out at once|shoots from the lip|fires away"
            "|fires questions|spits bars|raps|pours out words|machine-guns the words|speeds"
            "|speeds up|speeds along|hurtles on|zooms through|bolts through|flies through"
            "|flies|whizzes through|blazes on|bombards you with words|overtakes the listener"
            "|outruns the subtitles|goes like the wind|goes quicker than I can write"
            "|gets it over with|wants to get home|rushes to the end|talks before thinking"
            "|talks without end|talks as if there were a prize for it"
            "|crams ten words in a second|packs in the words|finishes before you blink",
            heard="speed it up|pick up the pace|quicker please|up-tempo|step on it|step on the gas"
            "|chop chop|make it snappy|get a move on|higher speed|increase the speed"
            "|increased tempo|more speed|more tempo|raise the tempo|hurry|rush|don't dawdle"
            "|no dawdling|no dilly-dallying|without dawdling|cut the pauses|no breaks"
            "|I can't keep up|can't follow|hard to keep up with|hard to follow at that speed"
            "|1.25x|1.75x|fast forward mode|on fast-forward|before you can blink"
            "|late for a meeting|out of breath fast|on three espressos|too much coffee"
            "|on a sugar rush|sugar high|coffee-fuelled|zoom zoom|like a sports commentator"
            "|like an auctioneer|like a debate champion|patter song|like a sewing machine"
            "|like a typewriter|like a woodpecker|like popcorn|like a runaway train"
            "|like a racing car|like a waterfall|like a swarm of bees|prestissimo"
            "|like a hummingbird|like hail on a roof|a quick one|quick quick|chatter chatter"
            "|speed talking|speed-reading the fine print|fine print at the end",
        ),
        "very fast": Words(
            voice="mind-bogglingly fast|blurry-fast|hypersonic|insanely quick|faster than fast",
            manner="faster than the eye can read|at the speed of light|at the speed of sound",
            heard="fastest possible|4x speed|world record speed|so fast nobody understands"
            "|like a bullet",
        ),
    },
}
LEXICON["relative_pitch"] = LEXICON["pitch"]
THINGS: dict[tuple[str, str], str] = {
    ("pitch", "low"): "bear|bull|walrus|bullfrog|ox|buffalo|mountain|cellar|well|cave|organ|tuba"
    "|double bass|cello|bassoon|foghorn|ship's horn|diesel engine|tractor|truck|earth|big drum"
    "|gong|thunderstorm|volcano|lion|mastiff|gorilla|giant|ogre|troll|barrel|tomb|mine shaft|ocean"
    "|kettledrum|Harley Davidson|old oak|freight train|bass guitar|didgeridoo|elephant|hippo",
    ("pitch", "high"): "mouse|budgie|canary|sparrow|wren|lark|kitten|chick|flute|piccolo|whistle"
    "|kettle|bell|violin|fife|recorder|toy|doll|squeaky toy|rubber duck|bat|cricket|mosquito|gnat"
    "|guinea pig|hamster|piglet|fairy|pixie|elf|choirboy|chirping bird|door hinge|bicycle bell"
    "|teakettle|balloon|parakeet|nightingale|puppy|seagull|triangle",
    ("rate", "slow"): "snail|tortoise|sloth|slug|koala|cow chewing|glacier|treacle|molasses|honey"
    "|syrup|lullaby|river barge|steamroller|old clock|Sunday afternoon|funeral procession|stroll"
    "|dripping tap|Monday morning|ox cart|melting candle|church bell|old tractor|hourglass"
    "|milk float|rusty bicycle|wet week|caterpillar|panda|heavy fog|sleepwalker",
    ("rate", "fast"): "rocket|bullet|express train|race car|cheetah|hare|rabbit|greyhound"
    "|hummingbird|machine gun|sewing machine|typewriter|whirlwind|tornado|waterfall|runaway horse"
    "|lightning bolt|squirrel|jackhammer|woodpecker|sprinter|jet|fire hose|hailstorm"
    "|popcorn machine|stock ticker|swarm of bees|galloping horse|motorbike|shooting star|dynamo",
}
"""What is deep, high, slow or fast: said in comparisons."""
