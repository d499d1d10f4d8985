"""More English people: names, trades, kin and figures whose voice everybody knows."""

from __future__ import annotations

HEADS: dict[tuple[str, str], str] = {
    ("male", ""): "Abdul|Ahmed|Akira|Alejandro|Alessandro|Amir|Andrei|Angus|Antonio|Axel|Barry"
    "|Bjorn|Boris|Brad|Brendan|Caleb|Cedric|Chad|Clive|Colin|Connor|Craig|Cyril|Damian|Darren"
    "|Declan|Derek|Desmond|Diego|Dominic|Duncan|Dylan|Edwin|Eli|Elijah|Emilio|Enrique|Fabio|Finn"
    "|Franz|Gabriel|Geoffrey|Gilbert|Giuseppe|Glen|Gunther|Guy|Hamish|Hiroshi|Horace|Howard|Hubert"
    "|Ibrahim|Isaac|Jamal|Jared|Jean-Pierre|Jeremy|Joel|Jonas|Julian|Kenji|Klaus|Kurt|Lance|Leon"
    "|Lorenzo|Malcolm|Manuel|Marcus|Mateo|Mehmet|Mikhail|Mustafa|Nikolai|Norman|Olaf|Orlando|Pablo"
    "|Paolo|Percy|Quentin|Rafael|Rashid|Reggie|Ricardo|Rodrigo|Rory|Rupert|Russell|Santiago"
    "|Sebastian|Seth|Sergio|Shane|Sidney|Spencer|Stanley|Sven|Takeshi|Toby|Travis|Vikram|Vladimir"
    "|Wilfred|Winston|Xavier|Yusuf|Zach|Adam|Alan|Albert|Alex's brother|Alexander|Alfred|Andrew"
    "|Anthony|Arthur|Ben|Benjamin|Bernard|Bill|Bob|Brian|Bruce|Carl|Carlos|Charles|Chris"
    "|Christopher|Dan|Daniel|Dave|Dennis|Dmitri|Donald|Doug|Edgar|Eduardo|Edward|Eric|Ernest|Ethan"
    "|Felix|Fernando|Francis|Fred|Gary|Gerald|Giovanni|Gordon|Graham|Greg|Gregory|Hans|Harold"
    "|Hassan|Hector|Henrik|Hugo|Ian|Igor|Ivan|Jacob|Jake|Jason|Javier|Jeff|Jerry|Jim|Joe|Jonathan"
    "|Jorge|Jose|Joseph|Josh|Juan|Karl|Keith|Ken|Kevin|Larry|Lars|Leo|Leonard|Liam|Logan|Louis"
    "|Luca|Luis|Luke|Marco|Mario|Mark|Martin|Matt|Matthew|Max|Miguel|Mike|Mohammed|Nathan|Neil"
    "|Nicholas|Nick|Nigel|Noah|Oliver|Omar|Oscar|Otto|Owen|Patrick|Pedro|Philip|Pierre|Rajesh"
    "|Ralph|Ravi|Raymond|Richard|Rob|Robert|Roger|Ronald|Roy|Ryan|Sam the butcher|Samuel|Scott"
    "|Sean|Sergei|Simon|Stefan|Stephen|Steve|Stuart|Ted|Terry|Theodore|Thomas|Tim|Todd|Tony|Trevor"
    "|Victor|Vincent|Walter|Wayne|William|Mr Brown|Mr Patel|Mister Johnson|Uncle Bob|Sir Henry"
    "|Lord Grey|Brother Thomas|Father Michael|Father Brown|Reverend Miller|Don Pedro|Herr Schmidt"
    "|Monsieur Dupont|Senor Diaz|butler|footman|valet|chauffeur|coachman|stable hand, a man|groom"
    "|best man|widower|stepfather|father-in-law|brother-in-law|son-in-law|stepbrother|grandson"
    "|godson|big brother|twin brother|half-brother|forefather|pops|pa|hubby|ex-husband|woodcutter"
    "|carpenter, a man|plumber guy|delivery guy|repairman|handyman|foreman|cameraman|weatherman"
    "|stuntman|hitman|gunman|watchman|ferryman|boatman|frontman|garbage man|hangman|nobleman"
    "|squire|page boy|archduke|tsar|sultan|sheikh|pharaoh|rajah|chieftain|viceroy|abbot|vicar"
    "|parson|pastor, a man|rabbi with a beard|imam|cardinal|archbishop|deacon|patriarch|buccaneer"
    "|viking|warlock|sorcerer|necromancer|male elf|dwarf with a beard|merman|ogre king|frog prince"
    "|vampire count|male vampire|male android|male robot|superhero man|boxer, he|wrestler, he"
    "|quarterback|linebacker|goalkeeper, he|matador|ringmaster|male model|playboy|gigolo"
    "|ladies' man|bachelor|heartthrob|casanova|bloke|chap|lad|laddie|geezer|fella|feller|homeboy"
    "|dudebro|old boy|gentleman caller|big guy|bearded guy|bald man|burly man|moustached man"
    "|bearded man|hairy man|tall man|fat man|short man|man in a suit|man in a tie|mob boss, a man"
    "|godfather of the mob|gangster man|cop, a man|male detective|gumshoe in a hat|male sergeant"
    "|male officer|male soldier|male nurse|male doctor|male pilot|male coach|male lead"
    "|male antagonist|male presenter|male broadcaster|male tour guide|male assistant"
    "|the king's herald, a man|town crier, a man|bass in the choir|baritone|crooner|male vocalist"
    "|frat guy|family father|single dad|stay-at-home dad|new father|expectant father|host, a man"
    "|guy with a beard|guy from the pub|man next door|man on the radio|man on the street"
    "|dungeon master, a guy|Romeo|Hamlet|Macbeth|King Lear|Othello|Odysseus|Zeus|Thor|Odin|Apollo"
    "|Julius Caesar|Napoleon|Abraham Lincoln|Sherlock Holmes|Dr Watson|Hercule Poirot|James Bond"
    "|Robin Hood|King Arthur|Merlin|Lancelot|Don Quixote|Dracula|Count Dracula|Frankenstein"
    "|Superman|Iron Man|Spider-Man|Aladdin|Tarzan|Zorro|Robinson Crusoe|Captain Ahab|Popeye"
    "|Einstein|Mozart|Shakespeare|Socrates|Buddha|Moses|Noah with his ark|Jesus|Saint Nicholas"
    "|Harry Potter|Ron Weasley|Frodo|Aragorn|Luke Skywalker|Han Solo|Indiana Jones|Prince Charming",
    ("female", ""): "Ada|Adele|Agatha|Aiko|Alina|Alma|Amina|Anastasia|Angelica|Anja|Antonia|April"
    "|Astrid|Aurora|Ava|Bernadette|Bertha|Bianca|Birgit|Bonnie|Brigitte|Candice|Carolina|Cassandra"
    "|Celeste|Chiara|Chantal|Colette|Consuela|Cora|Cordelia|Dahlia|Daniela|Daphne|Debbie|Delilah"
    "|Denise|Dolores|Edith|Edna|Elaine|Elise|Eloise|Elvira|Emilia|Erika|Esmeralda|Estelle|Ethel"
    "|Eugenia|Eunice|Faith|Felicity|Flora|Francesca|Freya|Frida|Gemma|Georgia|Geraldine|Gertrude"
    "|Gina|Giulia|Gladys|Gretchen|Gwen|Harriet|Heidi Klum|Henrietta|Hilda|Ida|Imogen|Inga|Ines"
    "|Irina|Iris|Isla|Jacqueline|Jana|Jill|Joanne|Jocelyn|Josie|Juanita|June|Justine|Katya|Keiko"
    "|Kelly|Kiara|Kirsten|Kristina|Lakshmi|Larissa|Latoya|Leonora|Lillian|Lorraine|Lucia|Luisa"
    "|Mabel|Madeleine|Maisie|Marcia|Margot|Marina|Matilda|Maud|Maureen|Meredith|Mildred|Minnie"
    "|Miranda|Miriam|Muriel|Nadine|Nellie|Nigella|Noriko|Oksana|Ottilie|Petra|Pippa|Ramona"
    "|Rosalind|Rosemary|Roxanne|Sabrina|Sakura|Selma|Simone|Sigrid|Susanna|Svetlana|Tabitha|Tamara"
    "|Tatiana|Thelma|Tilda|Tracy|Trudy|Valentina|Viola|Wanda|Wilhelmina|Winifred|Yasmin|Yvonne"
    "|Zara|Abigail|Agnes|Alexandra|Alicia|Amanda|Amelia|Amy|Andrea|Angela|Anita|Anne|Annie|Audrey"
    "|Barbara|Beatrice|Becky|Bella|Beth|Betty|Brenda|Bridget|Camilla|Carla|Carmen|Carol|Caroline"
    "|Catherine|Cathy|Cecilia|Charlotte|Chloe|Christina|Claire|Clara|Cynthia|Daisy|Deborah|Diana"
    "|Donna|Dora|Doris|Dorothy|Eleanor|Elena|Elizabeth|Ella|Ellen|Elsa|Erica|Esther|Eva|Fatima"
    "|Fiona|Florence|Frances|Gabriela|Gloria|Grace|Greta|Hannah|Hazel|Heather|Helga|Irene|Isabel"
    "|Isabella|Ivy|Jane|Janet|Jasmine|Jenny|Jennifer|Jessica|Joan|Joanna|Josephine|Joyce|Judith"
    "|Judy|Juliet|Karen|Katherine|Kathleen|Laura|Lauren|Layla|Leila|Lena|Lily|Lisa|Lola|Louise"
    "|Lydia|Maggie|Margaret|Maria|Marie|Martha|Megan|Melanie|Melissa|Mia|Michelle|Molly|Monica"
    "|Nadia|Nancy|Naomi|Natalie|Natasha|Nicole|Nina|Nora|Olga|Olivia|Pamela|Patricia|Paula|Pauline"
    "|Penelope|Phoebe|Polly|Rachel|Rebecca|Rita|Rosa|Rose|Ruth|Sally|Samantha|Sandra|Sharon|Sheila"
    "|Shirley|Sofia|Sonia|Sophia|Sophie|Stella|Stephanie|Sylvia|Tanya|Teresa|Tina|Ursula|Valerie"
    "|Vanessa|Vera|Veronica|Victoria|Violet|Virginia|Vivian|Wendy|Yolanda|Yuki|Zoe|Aisha|Ananya"
    "|Mei Ling|Miss Brown|Mrs Patel|Ms Johnson|Miss Marple|Aunt Polly|Auntie Jane|Lady Grey"
    "|Dame Judith|Sister Mary|Mother Teresa|Frau Schmidt|Madame Dupont|Senora Diaz|Senorita"
    "|Mademoiselle|Mary Poppins|abbess|prioress|chambermaid|lady's maid|milkmaid|barmaid|dairymaid"
    "|cleaning lady|dinner lady|lollipop lady|shop girl|call girl|shepherdess|tea lady"
    "|lady of the manor|lady-in-waiting|bridesmaid|flower girl|widow|stepmother|mother-in-law"
    "|sister-in-law|daughter-in-law|stepsister|granddaughter|goddaughter|big sister|twin sister"
    "|half-sister|mommy|mummy|ma|auntie|wifey|ex-wife|fiancee|single mom|working mum"
    "|stay-at-home mom|new mother|expectant mother|pregnant woman|nursing mother|foster mother"
    "|surrogate mother|tsarina|sultana|viceroy's wife|archduchess|marchioness|first lady"
    "|chieftainess|lady knight|warrior woman|amazon|valkyrie|huntress|enchantress|female elf"
    "|vampiress|siren|nymph|banshee|fortune teller, a woman|fortune-telling lady|gypsy woman"
    "|tooth fairy|female android|female robot|superheroine|figure skater, she|gymnast, she"
    "|chanteuse|songstress|female vocalist|soprano|mezzo-soprano|alto in the choir|female rapper"
    "|pop princess|beauty queen|supermodel, she|female model|pin-up|starlet|leading lady"
    "|female lead|female antagonist|villainess|female presenter|female broadcaster|weather girl"
    "|female tour guide|female assistant|air hostess|secretary, a woman|receptionist lady"
    "|librarian lady|lunch lady|headmistress|schoolmarm|lady professor|lady doctor|lady judge"
    "|policewoman on duty|female detective|female sergeant|female officer|female soldier"
    "|female coach|female CEO|girlboss|lady boss|businesswoman in heels|woman in a dress"
    "|woman in a red dress|woman with long hair|blonde|brunette lady|redheaded woman"
    "|lady with pearls|tall woman|short woman|stout woman|slim woman|bearded lady|woman next door"
    "|lady next door|woman on the radio|woman at the counter|gal pal|lassie|broad|chick|missy"
    "|matron|old maid|belle|Southern belle|hussy|vixen|tomboy|socialite lady|hostess with a smile"
    "|GPS lady|phone lady|Siri the woman|Alexa the lady|Joan of Arc|Cleopatra|Marie Curie"
    "|Jane Austen|Queen Elizabeth|Queen Victoria|Helen of Troy|Aphrodite|Athena|Venus|Eve"
    "|Virgin Mary|Ophelia|Lady Macbeth|Juliet on the balcony|Rapunzel|Sleeping Beauty"
    "|Little Red Riding Hood|Alice in Wonderland|Pocahontas|Mulan|the Little Mermaid|Tinker Bell"
    "|Wonder Woman|Catwoman|Supergirl|Princess Leia|Hermione|Galadriel|Mona Lisa|Barbie"
    "|Maid Marian|Guinevere|Anna Karenina|Madame Bovary|Scarlett O'Hara|Jane Eyre|Miss Piggy"
    "|Mother Nature|Mother Goose|Mrs Claus|Mrs Doubtfire herself, a lady|Lara Croft|Maleficent",
    ("male", "child"): "boy of six|boy of nine|seven-year-old boy|nine-year-old boy"
    "|my nephew, aged six|little brother|my kid brother|boy in kindergarten|boy in primary school"
    "|paperboy|choirboy|shepherd boy|drummer boy|cabin boy|page, a boy of ten|Oliver Twist"
    "|Tom Sawyer|Peter Pan|Pinocchio|Christopher Robin|Tiny Tim|tiny boy|lad of eight"
    "|our six year old son|boy soprano|little lad|wee lad|boy who lost a tooth"
    "|grandson in first grade",
    ("female", "child"): "girl of six|girl of nine|seven-year-old girl|nine-year-old girl"
    "|my niece, aged six|little sister|my kid sister|girl in kindergarten|wee lass|Goldilocks"
    "|Heidi|Matilda the schoolgirl|Pippi Longstocking|Dora the Explorer|our six year old daughter"
    "|girl with pigtails|little lass|girl with a doll|granddaughter in first grade"
    "|girl playing hopscotch|the little match girl|girl who lost a tooth|daughter aged four",
    ("", "child"): "nursery child|child in kindergarten|kindergartner|five-year-old|nine-year-old"
    "|primary school pupil|second grader|tot|tyke|bairn|baby|child of three|little kid|kiddo"
    "|munchkin|small kid reading aloud|wee one|show-and-tell kid",
    ("male", "young"): "man of nineteen|man of twenty|guy of twenty-five|man in his early twenties"
    "|lad of eighteen|high school boy|college boy|sophomore guy|male undergraduate|young squire"
    "|young soldier, he|young knight|boy of sixteen|seventeen-year-old boy|young chap|young bloke"
    "|surfer dude of twenty|skater boy|newlywed husband|rookie cop, a young man|male intern"
    "|junior salesman|young father|young buck|young bachelor|young prince charming|shy young man",
    ("female", "young"): "woman of nineteen|woman of twenty|girl of sixteen"
    "|seventeen-year-old girl|woman in her early twenties|lass of eighteen|college woman"
    "|sophomore girl|female undergraduate|young bride|young queen|young mother|young nurse, she"
    "|newlywed wife|female intern|rookie policewoman|twenty-one-year-old woman"
    "|girl fresh out of college|girl on her first job|prom queen|it girl|shy young woman|young gal"
    "|young chick",
    ("", "young"): "nineteen-year-old|twenty-something|freshman|sophomore|intern|recent graduate"
    "|someone barely twenty|eighteen-year-old|teen|sixteen-year-old|young recruit"
    "|youngster of nineteen|zoomer|trainee fresh from school|kid just out of college",
    ("male", "middle-aged"): "man of forty-five|man of fifty-five|man in his late forties forties"
    "|divorced dad in his forties|man in his early fifties|father of teenagers|middle-aged bloke"
    "|middle-aged salesman|balding man of fifty|fifty-year-old man|guy with a midlife crisis"
    "|forty-something guy|fifty-something man|foreman of fifty",
    ("female", "middle-aged"): "woman of forty-five|woman of fifty-five|woman in her late forties"
    "|mum in her forties|woman in her early fifties|mother of teenagers|middle-aged gal"
    "|headmistressmenopausal woman|fifty-year-old woman|forty-something woman|fifty-something lady"
    "|divorcee in her forties|lady of fifty-two|middle-aged housewife",
    ("", "middle-aged"): "forty-five-year-old|fifty-five-year-old|forty-something|fifty-something"
    "|someone in midlife|mid-career manager|someone pushing fifty|parent of teenagers",
    ("male", "elderly"): "grandad|grandpapa|gaffer|old farmer, he|old fisherman|old monk"
    "|old king in exile|retired colonel, he|man of ninety|man of seventy-five|ninety-year-old man"
    "|man in his nineties|seventy-year-old man|old sea captain|old soldier, he|retired captain"
    "|man with a white beard|wizened man|old butler|old priest|pensioner, he|Gandalf|Dumbledore"
    "|Methuselah|old man with a cane|gent of eighty|old uncle|great-uncle|elderly bachelor"
    "|elderly father|hermit with a long beard|village elder, a man",
    ("female", "elderly"): "gran|grandmama|nan|oma|babushka|woman of ninety|old aunt"
    "|woman of seventy-five|ninety-year-old woman|woman in her nineties|seventy-year-old woman"
    "|old widow|elderly widow|wizened woman|old crone|retired schoolmistress|old dame"
    "|pensioner, she|lady of eighty|grandmother knitting|old nanny|elderly mother|elderly nun"
    "|silver-haired lady|white-haired woman|biddy|grandmother by the fire",
    ("", "elderly"): "nonagenarian|septuagenarian|centenarian|ninety-year-old|someone past eighty"
    "|someone in their eighties|someone in their seventies|great-grandparent|grandparent"
    "|golden ager|old-age pensioner|oldster|someone very old|care home resident|village elder",
}
FIGURES: dict[str, str] = {
    "gender=male pitch=very low": "Darth Vader|James Earl Jones|Mufasa|a basso profundo|Sauron"
    "|the giant at the top of the beanstalk|Groot|the voice of God|a Russian bass|Thanos"
    "|Isaac Hayes",
    "gender=male pitch=low": "Batman|Morgan Freeman|Sean Connery|Johnny Cash|Leonard Cohen"
    "|Orson Welles|Christopher Lee|Vin Diesel|Idris Elba|Benedict Cumberbatch|Alan Rickman"
    "|Ron Perlman|Don LaFontaine|a movie trailer man|a Viking chief|a bouncer|a heavyweight boxer"
    "|a blacksmith|an opera bass|a baritone singer|a trucker with a beard|a mafia boss"
    "|Don Corleone|Elvis|Shrek|a burly sergeant|a barrel-chested man|a bear of a man"
    "|a bull of a man|the evil emperor|a big bouncer|a biker with a beard|Hagrid"
    "|Santa Claus laughing|Tom Waits|Louis Armstrong|a brute of a man|a mountain of a man"
    "|a man with a barrel chest|Bane",
    "gender=male pitch=high": "Mickey Mouse|Mike Tyson|Michael Jackson|Prince on stage|Elmo|Dobby"
    "|a castrato|Pee-wee Herman|SpongeBob|a boy before his voice broke|Gollum|a man on helium"
    "|an Irish tenor|Jerry Lewis|Kermit the Frog|Morty|Justin Bieber as a boy"
    "|a nerdy guy with a squeaky voice|Frankie Valli|a Bee Gee|Barry Gibb|Bobcat|Woody Allen"
    "|a lad whose voice has not broken yet|a jockey|a eunuch|a male alto|Joe Pesci|Ned Flanders",
    "gender=female pitch=high": "Minnie Mouse|a soprano|a coloratura|Hello Kitty|Dolly Parton"
    "|Ariana Grande|Mariah Carey|Cinderella singing owner, a lady|an anime girl|a Disney princess"
    "|a giggling schoolgirl|a fairy|Tinker Bell|a doll-like lady|Fran Drescher|Kristin Chenoweth"
    "|a valley girl|Sailor Moon|a squealing fangirl|a shrieking landlady|a pixie girl|Harley Quinn"
    "|Olive Oyl|Lisa Simpson|Jennifer Tilly|a kindergarten teacher singing"
    "|a Japanese elevator girl|Princess Peach",
    "gender=female pitch=low": "Lauren Bacall|Marlene Dietrich|Scarlett Johansson|Kathleen Turner"
    "|Tracy Chapman|Nina Simone|Cher|Sigourney Weaver|Jessica Rabbit|a contralto|Annie Lennox"
    "|Adele talking|Ursula the sea witch|Maya Angelou|Whoopi Goldberg|Bea Arthur"
    "|a lady with a tenor's voice|a femme fatale|a smoky lounge singer, she|Sade|a female baritone"
    "|Emma Stone|Tilda Swinton|Greta Garbo|Amy Winehouse|Toni Braxton|Judi Dench"
    "|a woman mistaken for a man on the phone|Maleficent|an alto lady|Margaret Thatcher|Zendaya",
    "gender=male rate=fast": "Eminem|Busta Rhymes|Robin Williams|Jim Carrey|Twista"
    "|an auctioneer, a man|a carnival barker|a used-car salesman|a male rapper|Gary Vaynerchuk"
    "|a football commentator, he|Donald Duck in a rage|the Mad Hatter"
    "|a stand-up comedian on a roll, he|a stockbroker on the phone, he|Roadrunner the guy"
    "|a fast food guy at lunch hour|a day trader guy|Sonic the Hedgehog|the White Rabbit, he"
    "|Tigger|Quentin Tarantino|Jesse Eisenberg|a debate club boy|Ryan Reynolds|Deadpool"
    "|Rocket Raccoon",
    "gender=female rate=fast": "Lorelai Gilmore|Nicki Minaj|a gossiping neighbour lady"
    "|Harley Quinn on coffee|a chatty aunt|my sister on the phone|a busy waitress"
    "|an excited bridesmaid|a lady selling at the market|a teenage girl with gossip"
    "|a hairdresser lady|a female rapper|mom when we are late|a gabby hostess|Missy Elliott"
    "|Cardi B|a sportscaster woman|Anne of Green Gables|a woman late for her train"
    "|an overcaffeinated girl|a shopping channel lady",
    "gender=male rate=slow": "Forrest Gump|Bob Ross|Mister Rogers|a southern gentleman"
    "|a cowboy chewing straw|Yoda|Christopher Walken|William Shatner|Owen thean old sheriff"
    "|Droopy Dog|Flash the sloth|Winnie-the-Pooh|Clint Eastwood|a stoner dude|a surfer guy"
    "|the Dalai Lama|a monk at prayer|Barack Obama|Jeff Bridges|Matthew McConaughey|Sam Elliott"
    "|a funeral director, he|a butler announcing guests|an undertaker|a meditation teacher, he"
    "|a chess player thinking aloud, he|a drowsy old man|Henry Kissinger",
    "gender=female rate=slow": "a Southern belle|a hypnotist lady|a mother singing a lullaby|Enya"
    "|Jackie Kennedy|a meditation lady|a grandmother telling tales|a museum lady|Daria"
    "|a sleepy princess|a schoolmistress giving dictation|a primary teacher spelling, she"
    "|a nun at evening prayer|a lady sipping tea|a spa receptionist, she|Galadriel the elf queen"
    "|Luna Lovegood|Blanche DuBois|a drowsy lady|a languid duchess|Morticia Addams",
    "gender=male rate=slow pitch=low": "Darth Vader at his slowest|an old bear of a man|an Ent"
    "|Ben Stein's deeper brother|Isaac Hayes at midnight|a sleepy giant"
    "|an old baritone telling stories|a western narrator, he|Nick Offerman",
    "gender=female pitch=high rate=fast": "a chipmunk girl|a squirrel lady|an excited fangirl"
    "|a lady with a parrot's voice|a twittering maid|a giggling bridesmaid in a hurry",
    "gender=male age=elderly pitch=high": "Yoda the old master|Grandpa Simpson|an old elf",
    "gender=male loudness=very loud": "a drill sergeant|Gordon Ramsay|a football hooligan"
    "|a coach on the sideline, he|Brian Blessed|a wrestling announcer, he",
    "gender=female loudness=quiet": "a shy librarian, she|a shy nun|a whispering governess"
    "|a timid maid|a meek secretary, she",
}
TRADES = (
    "teacher|doctor|nurse|pilot|driver|cook|chef|baker|butcher|farmer|lawyer|judge|reporter|writer"
    "|poet|painter|dancer|singer|drummer|guitarist|pianist|violinist|conductor|clown|magician|spy"
    "|detective|guard|soldier|sailor|captain|pirate|thief|smuggler|gangster|boxer|wrestler|runner"
    "|swimmer|skater|coach|referee|commentator|host|narrator|announcer|librarian|clerk|cashier"
    "|secretary|receptionist|manager|director|scientist|engineer|programmer|hacker|astronaut|robot"
    "|android|ghost|vampire|zombie|alien|elf|dwarf|orc|goblin|dragon rider|ranger|hunter|archer"
    "|rogue|paladin|healer|druid|student|pupil|teenager|toddler|neighbour|boss|colleague|customer"
    "|caller|tourist|guide|flight attendant|hairdresser|plumber|carpenter|electrician|mechanic"
    "|builder|gardener|shepherd|miner|fisher|surgeon|dentist|vet|pharmacist|therapist|politician"
    "|mayor|president|minister|senator|preacher|monarch|villain|hero|sidekick|comedian|streamer"
    "|gamer|podcaster|influencer|DJ|rapper|model|athlete|cyclist|climber|biker|jockey|trucker"
    "|newsreader|auctioneer|bartender|barista|florist"
)
"""What either sex can be."""
MARKED = {
    "male": (
        "male {}",
        "male {}",
        "{} guy",
        "man who works as a {}",
        "{}, a man",
        "{}, male",
        "{} with his hat",
        "gentleman {}",
        "{}, he",
        "guy, a {}",
        "{} and his dog",
        "bearded {}",
        "{} called Bob",
        "{} himself",
        "manly {}",
        "masculine {}",
        "{} who forgot his keys",
        "{} who misses his wife",
        "{} we call Mister X",
    ),
    "female": (
        "female {}",
        "female {}",
        "{} lady",
        "woman who works as a {}",
        "{}, a woman",
        "{}, female",
        "{} with her hat",
        "lady {}",
        "{}, she",
        "gal, a {}",
        "{} and her dog",
        "pregnant {}",
        "{} called Jane",
        "{} herself",
        "womanly {}",
        "feminine {}",
        "{} who forgot her keys",
        "{} who misses her husband",
        "woman {}",
        "{} we call Miss X",
        "{} girl",
    ),
}
"""How the words around say which."""
