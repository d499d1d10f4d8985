"""English people whose sex or age is in the word, and words that say nothing about a voice."""

from __future__ import annotations

from voice_hypernet import cast_en

HEADS: dict[tuple[str, str], str] = {
    ("male", ""): "man|guy|gentleman|dude|fellow|male|father|dad|daddy|brother|uncle|husband|king"
    "|prince|lord|knight|wizard|monk|priest|emperor|actor|waiter|cowboy|policeman|fireman|salesman"
    "|businessman|fisherman|craftsman|mailman|anchorman|spokesman|chairman|sportsman|gent|bro|mate"
    "|macho|hunk|stud|blacksmith|trucker guy|barber|bouncer|stage actor|barman|male narrator"
    "|male announcer|male newsreader|male actor|male teacher|male singer|male voice|man's voice"
    "|guy's voice|bass singer|tenor singer|baritone singer|boyfriend|godfather|father figure"
    "|nobleman|duke|count|baron|warlord|gladiator|samurai|friar|bishop|pope|caveman|sir|mister"
    "|Mr Smith|John|Peter|Tom|Michael|David|James|George|Harry|Jack|Frank|Paul|Henry|groomsman|son"
    "|nephew|hero of the story|henchman|villain with his plans|he-man|tough guy|family man"
    "|strongman|showman|clergyman|horseman|swordsman|milkman|doorman|Santa Claus|Hercules",
    ("female", ""): "woman|lady|female|gal|mother|mom|mum|mama|sister|aunt|wife|queen|princess|nun"
    "|lady teacher|empress|duchess|countess|baroness|actress|waitress|hostess|stewardess|witch"
    "|fairy|saleswoman|businesswoman|policewoman|spokeswoman|chairwoman|anchorwoman|sportswoman"
    "|cowgirl|female narrator|female announcer|female newsreader|female singer|female voice"
    "|woman's voice|lady's voice|girl's voice|soprano singer|alto singer|girlfriend|godmother"
    "|goddess|heroine|maid|housewife|midwife|seamstress|ballet dancer, female|mermaid|nanny"
    "|governess|bride|noblewoman|priestess|sorceress|diva|prima donna|showgirl|hostess of the show"
    "|landlady|mistress|madam|ma'am|miss|Mrs Jones|Mary|Susan|Emma|Anna|Linda|Sarah|Julia|Kate"
    "|Lucy|Alice|Helen|Emily|daughter|niece|sis|femme fatale|lass|dame|queen mother|mother of two"
    "|schoolmistress|Cinderella|female nurse|female doctor|female teacher|female pilot"
    "|girl group singer|career woman",
    ("male", "child"): "boy|little boy|schoolboy|small boy|young boy|lad of ten|boy of eight"
    "|eight-year-old boy|toddler boy|kid brother|little prince|baby boy|ten year old boy|altar boy"
    "|my little son|boy scout|five-year-old boy|male child|boy's voice",
    ("female", "child"): "girl of seven|little girl|schoolgirl|small girl|young girl|baby girl"
    "|eight-year-old girl|toddler girl|kid sister|little princess|girl scout|ten year old girl"
    "|my little daughter|female child|five-year-old girl|girl in primary school|tiny girl",
    ("", "child"): "child|kid|toddler|preschooler|infant|little one|youngster of six|small child"
    "|ten-year-old|grade schooler|eight year old|cartoon kid|first grader",
    ("male", "young"): "young man|young guy|teenage boy|young lad|male student|college guy"
    "|young dude|twenty-something guy|guy in his twenties|young prince|young male|bachelor"
    "|frat boy|youth, male|male teenager|adolescent boy|young fellow|boy band singer",
    ("female", "young"): "young woman|young lady|teenage girl|female student|college girl|maiden"
    "|twenty-something woman|woman in her twenties|young female|damsel|female teenager|young miss"
    "|adolescent girl|high school girl|sorority girl|debutante|young actress",
    ("", "young"): "teenager|young adult|student|youth|adolescent|millennial|gen z speaker"
    "|someone in their twenties|young person|college student|undergrad",
    ("male", "middle-aged"): "middle-aged man|man in his forties|man in his fifties|mature man"
    "|dad of three|man of fifty|seasoned gentleman|forty-year-old man|man in midlife"
    "|head of family|guy pushing fifty",
    ("female", "middle-aged"): "middle-aged woman|woman in her forties|woman in her fifties"
    "|mature lady|mother of three|woman of fifty|forty-year-old woman|woman in midlife|soccer mom",
    ("", "middle-aged"): "middle-aged person|someone in their forties|adult in midlife"
    "|fifty-year-old|person of a certain age|someone in their fifties|mature adult",
    ("male", "elderly"): "old man|grandfather|grandpa|granddad|gramps|elderly gentleman|old guy"
    "|old timer, male|aged man|old wizard|old king|old sailor|greybeard|patriarch|old geezer"
    "|retired general, an old man|man in his seventies|man in his eighties|eighty-year-old man"
    "|old codger|great-grandfather|elder statesman|old professor, he|Father Time",
    ("female", "elderly"): "old woman|grandmother|grandma|granny|nana|elderly lady|old lady|crone"
    "|aged woman|old queen|dowager|woman in her seventies|woman in her eighties|old hag"
    "|eighty-year-old woman|great-grandmother|little old lady|old nun|matriarch of eighty",
    ("", "elderly"): "senior citizen|old person|pensioner|elder|retiree|octogenarian|old soul"
    "|eighty-year-old|elderly narrator|seventy-year-old|aged storyteller",
    ("", ""): "person|speaker|voice|narrator|storyteller|announcer|host|teacher|singer|friend"
    "|stranger|newsreader|news anchor|radio host|podcaster|voice actor|character|reader|somebody"
    "|someone|human|lecturer|presenter|guide|doctor|pilot|judge|reporter|professor|assistant"
    "|chatbot|customer|neighbour|colleague|comedian|coach|lawyer|nurse|scientist|driver"
    "|audiobook narrator|speaking voice|vocal|tone of voice|voice over|talker|commentator|clerk"
    "|politician",
}
HEADS |= {head: f"{HEADS[head]}|{more}" for head, more in cast_en.HEADS.items()}
PLAIN = (
    "friendly|trustworthy|confident|Scottish|British|American|Australian|Irish|Indian|local"
    "|professional|nice|pleasant|good|unique|interesting|familiar|kind|polite|tall|short|famous"
    "|honest|clever|funny|tired|happy-looking|busy|rich|poor|attractive|charming|likeable|modern"
    "|Canadian|French|German|Korean|New York|London|Texan|rural|urban|educated|simple|sincere"
    "|intelligent|witty|sarcastic|ironic|mysterious|heroic|evil|wise|caring|helpful|reliable"
)
CONTEXTS = (
    "for a documentary|for my audiobook|for a video game|for an advert|for a podcast about history"
    "|reading the news|telling a story|for the phone system|in the kitchen|from Chicago"
    "|at the office|for an e-learning course|in a film|for the trailer|with a British accent"
    "|with a slight accent|at a wedding|on the radio|for a museum guide|for children"
    "|from the countryside|on television|who works in a bank|in a red coat|selling ice cream"
    "|for my science channel|in the morning|about to give a speech|explaining the rules"
    "|for a game character|to read my emails|in a cafe|from Seoul|with glasses|who loves cats"
    "|for a commercial|for our new product|for the intro|that people trust|that I remember"
    "|speaking English|reading poems|teaching maths|at the airport|that my wife would like"
    "|that my husband recommended|for my daughter's birthday|for my son's school play"
    "|as my boss asked|apart from the green hat|with the dog on the sofa|who lives upstairs"
    "|if the budget permits and the board agrees|for the museum's audio guide|six feet tall"
    "|that everybody liked in the end|whom we met last week|who reads the results|in a blue jacket"
    "|what I remember best|who sells carpets|before the second episode|on the third floor"
    "|from Leeds|from Texas|for a documentary about whales|on page twelve|asking for a seat"
    "|calling about the roof|at the front desk|giving a speech|giving a toast|reading the notices"
    "|guiding a class|grilling in the garden|in the kitchen|with a cup of tea|how may I help you"
    "|reading the tax code|shouting headlines|over the garden fence|like in the old cartoon"
    "|in a debate|on parade|in the old film|giving orders|who wants a seat|for our radio play"
    "|one of three candidates|so everybody laughs|honestly|bless them|more or less|mid-length part"
)
OPENERS = (
    "I need|I want|give me|can you do|please make|something like|sounds like|imagine|think of|try"
    "|it should be|let's have|looking for|we need|maybe|how about|just|make it sound like"
    "|could I get|voice of|I'd love|use|picture|what about|ok so|hmm|hi,|hello,"
    "|the voice should be like|basically|kind of like|style:|voice:|character:|similar to"
    "|reminds me of|let it be|speak like|talk like|casting:|role:|part:|wanted:|this is|hi this is"
    "|it's|here comes|what I want is|remember|you know|could you|in the role of|playing"
    "|for the audio guide we would like|last time it was fine but now|narrated by|voiced by"
    "|the one everybody liked was|I once heard|there was|imagine hearing|more like|from"
)
CLOSERS = (
    "please|thanks|if possible|I think|you know|or something like that|ok?|that's all|thank you|pls"
    "|kind of|if you can|that would be great|for this one|like that|you get the idea|right?|lol"
)
WEAK = (
    "a bit|slightly|rather|kind of|somewhat|fairly|quite|pretty|a little|sort of|kinda|relatively"
)
STRONG = "very|really|extremely|super|incredibly|so|exceptionally|insanely|terribly"
NOT = "not|not too|never too|not really|isn't|not so|don't be|not overly|not necessarily"
