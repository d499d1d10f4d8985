"""English that no grammar would write, of how a voice sounds; ``wording_en`` has how it speaks."""

from __future__ import annotations

from voice_data.describe.words import Lexicon, Words

SOUND: Lexicon = {
    "loudness": {
        "very quiet": Words(
            voice="nearly silent|almost inaudible",
            thing="hardly any sound|almost no volume",
            manner="so quietly you must lean in|under the breath|nearly without sound",
            heard="almost silent|like a ghost|pin-drop quiet|volume at the minimum",
        ),
        "quiet": Words(
            voice="timid|bashful|shy|delicate|dainty|meek|low-volume|muted|tame|feather-light",
            person="shy|timid|meek|mild|bashful|reticent|demure|low-key",
            thing="a small voice|the volume turned down|a soft touch|a tiny volume",
            manner="timidly|shyly|in a small voice|in a murmur|tenderly|as if in a library"
            "|delicately|in an undertone",
            clause="murmurs|mumbles|keeps the voice down|tiptoes with the voice|barely speaks up",
            heard="turn it down|hush|softly softly|like in a church|bedside voice"
            "|not to wake anyone|library voice|indoor voice|low volume please"
            "|like a mouse in the corner",
        ),
        "medium": Words(
            thing="an everyday volume|a regular volume",
            manner="at normal volume|at conversation level",
            heard="room volume|neither loud nor quiet|usual loudness",
        ),
        "loud": Words(
            voice="booming|hearty|stentorian|boisterous|vigorous|blustery|full-throated|rowdy",
            person="loud-mouthed|boisterous|brash|rowdy|strong-lunged|mighty",
            thing="a big voice|strong lungs|a mighty voice|a megaphone|a voice that fills the hall",
            manner="with full force|at full volume|with all might|vigorously|with a raised voice"
            "|for everyone to hear",
            clause="calls out|booms across the room|fills the hall|raises the voice|barks orders"
            "|hollers|proclaims",
            heard="turn it up|like through a megaphone|town crier|like a sergeant|outdoor voice"
            "|drown out the crowd|louder please|so that everyone hears|raise the volume"
            "|on a rally",
        ),
        "very loud": Words(
            voice="roaring|screeching loud|earsplitting|howling",
            thing="a roar|a battle cry",
            manner="in a roar|as loud as possible|with a scream|at maximum volume",
            clause="roars|screams|hollers at everyone|yells across the field",
            heard="screaming|like a rock concert|full blast|like a volcano|max volume|war cry",
        ),
    },
    "brightness": {
        "very dark": Words(
            voice="pitch-dark|hollow|boxy|as if under a blanket",
            thing="no highs at all|a sound as through a wall",
            heard="like behind a wall|underwater|through a pillow|extremely dark",
        ),
        "dark": Words(
            voice="shadowy|gloomy|honeyed|plush|woody|buttery|round|cosy|homely|earthy|syrupy"
            "|caramel|golden|smoky-dark|brooding|moody|bassy in tone|velvet|hearthside",
            person="warm-hearted|gloomy|brooding|motherly|fatherly|cosy",
            thing="a velvet tone|a warm timbre|a hug in the voice|a dark colour|a round sound"
            "|a honeyed tone|warmth",
            manner="like a warm blanket|with warmth|in dark tones|moodily",
            clause="warms the heart|sounds like velvet|wraps you in warmth|broods",
            heard="like melted chocolate|like a fireplace|like red wine|like a warm blanket|velvet"
            "|cosy evening|less treble|like a cup of cocoa|warm tone|film noir|dark timbre",
        ),
        "medium": Words(heard="nothing special in the timbre|ordinary tone colour|neutral colour"),
        "bright": Words(
            voice="silvery|glittering|fresh|crystalline|shiny|gleaming|lustrous|luminous|sunny"
            "|spring-like|clean-cut|glowing|shimmering|beaming",
            person="radiant|beaming|sunny",
            thing="sunshine in the voice|a silvery tone|sparkle|a fresh sound|shine"
            "|a shimmering tone",
            manner="with sparkle|with a silvery tone|radiantly|sunnily",
            clause="shines|sparkles|sounds like sunshine|glitters|lights up the room",
            heard="like a sunny morning|like spring|crystal|more treble|like champagne|like silver"
            "|like a trumpet|bright timbre|brilliant tone",
        ),
        "very bright": Words(
            voice="biting|steely|strident|cutting|screechy|razor-sharp|tinny and thin|brassy",
            thing="a metallic edge|a razor edge|a piercing ring|too much treble",
            manner="stridently|with a metallic ring|like a knife",
            clause="cuts like a knife|hurts the ears|grates on the ears",
            heard="like chalk on a board|like an old telephone|like a cheap radio|ear-piercing",
        ),
    },
    "breathiness": {
        "very breathy": Words(
            voice="all breath|ghostly whispering|ASMR-like",
            thing="nothing but breath|a whisper of a voice",
            manner="as a whisper|in a secretive whisper|under whispers|like in ASMR",
            clause="whispers|speaks in whispers|whispers a secret",
            heard="whisper it|ASMR|secret whisper|ghost whisper|hushed whisper"
            "|like telling a secret",
        ),
        "breathy": Words(
            voice="wispy|gauzy|misty|feathery|panting|ethereal|vaporous|sensual|windy|gasping",
            person="wispy|out-of-breath|ethereal",
            thing="breath in the tone|a lot of air|a misty quality|a sigh in every word",
            manner="with a sigh|with lots of air|out of breath|dreamily",
            clause="sighs the words|breathes the words|sounds out of breath|lets air through",
            heard="like a breeze|like mist|like a sigh|airy tone|more breath|husky with breath",
        ),
        "neutral": Words(heard="ordinary breath|usual amount of air"),
        "clear": Words(
            voice="well-enunciated|bell-clear|crystal-clear|articulate|distinct|well-defined"
            "|precise|limpid|lucid|bell clear",
            person="articulate|well-spoken|eloquent|crisp-tongued",
            thing="good diction|perfect diction|clean articulation|a voice clear as a bell"
            "|distinct pronunciation",
            manner="distinctly|with perfect diction|articulately|precisely|intelligibly"
            "|with clear diction",
            clause="enunciates|pronounces every letter|articulates well|makes every word distinct",
            heard="clear as a bell|crystal clear|good articulation|every word understandable"
            "|BBC diction|announcer quality",
        ),
    },
    "roughness": {
        "smooth": Words(
            voice="satin|butter-smooth|suave|liquid|sleek|flowing|glossy|satiny|honey-smooth",
            person="suave|smooth-talking|slick",
            thing="a voice like silk|no rough edges|a satin finish|a butter-smooth sound",
            manner="like silk|suavely|with a silken touch|like butter",
            clause="glides|purrs|sounds like silk|slides along",
            heard="like butter|like satin|like silk|smooth operator|smooth as glass|crooner",
        ),
        "neutral": Words(heard="an ordinary grain|neither smooth nor rough"),
        "rough": Words(
            voice="whisky-soaked|crackly|cracked|rugged|rusty|smoke-cured|weather-beaten|ragged"
            "|rasping|gargling|worn|croaking|growly|scratched|harsh|coarse|grating|broken"
            "|jagged",
            person="grizzled|rugged|weather-beaten|croaky",
            thing="a smoker's voice|a whisky voice|a frog in the throat|vocal fry|a croak"
            "|a scratch|a hoarse edge|sand in the voice|a cough in the voice|a gravel pit",
            manner="with vocal fry|like a smoker|with a croak|in a rasp|with a growl|harshly",
            clause="croaks|has smoked for decades|crackles|sounds worn out|rasps|has a cold",
            heard="like Tom Waits|like Louis Armstrong|smoker|like a frog|like a rusty hinge"
            "|three packs a day|like after a rock concert|like an old sailor|lost voice"
            "|with a cold",
        ),
    },
    "recording": {
        "very noisy": Words(heard="can hardly hear it for the noise|terrible noise all over"),
        "noisy": Words(
            voice="crackling with static|hissy",
            manner="on a busy street|with traffic behind|with static",
            heard="with hiss|street noise|in a crowded cafe|like an old tape|bad phone line|static",
        ),
        "fair": Words(heard="a hint of hiss|home recording|small hum"),
        "clean": Words(
            voice="pristine|studio-grade|professionally recorded",
            manner="in a professional studio|in a sound booth|without hiss",
            heard="podcast studio quality|pristine audio|zero noise|booth recording|high fidelity",
        ),
    },
}
