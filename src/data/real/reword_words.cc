#include "data/real/reword_words.h"

namespace firesteel {
namespace {

constexpr Thing kThings[] = {
    {"apple", "apples"}, {"pear", "pears"}, {"plum", "plums"}, {"lemon", "lemons"}, {"lime", "limes"}, {"orange", "oranges"}, {"banana", "bananas"}, {"peach", "peaches"},
    {"cherry", "cherries"}, {"berry", "berries"}, {"strawberry", "strawberries"}, {"grape", "grapes"}, {"melon", "melons"}, {"watermelon", "watermelons"}, {"pumpkin", "pumpkins"},
    {"carrot", "carrots"}, {"onion", "onions"}, {"potato", "potatoes"}, {"tomato", "tomatoes"}, {"turnip", "turnips"}, {"pepper", "peppers"}, {"nut", "nuts"},
    {"peanut", "peanuts"}, {"walnut", "walnuts"}, {"egg", "eggs"}, {"cookie", "cookies"}, {"cake", "cakes"}, {"cupcake", "cupcakes"}, {"muffin", "muffins"}, {"pie", "pies"},
    {"pastry", "pastries"}, {"loaf", "loaves"}, {"sandwich", "sandwiches"}, {"pizza", "pizzas"}, {"burger", "burgers"}, {"donut", "donuts"}, {"waffle", "waffles"},
    {"pancake", "pancakes"}, {"candy", "candies"}, {"lollipop", "lollipops"}, {"chocolate", "chocolates"}, {"cracker", "crackers"}, {"soda", "sodas"},
    {"juice", "juices"}, {"bottle", "bottles"}, {"jar", "jars"}, {"cup", "cups"}, {"mug", "mugs"}, {"glass", "glasses"}, {"plate", "plates"}, {"bowl", "bowls"},
    {"spoon", "spoons"}, {"fork", "forks"}, {"knife", "knives"}, {"napkin", "napkins"}, {"tray", "trays"}, {"book", "books"}, {"comic", "comics"}, {"magazine", "magazines"},
    {"newspaper", "newspapers"}, {"notebook", "notebooks"}, {"folder", "folders"}, {"letter", "letters"}, {"postcard", "postcards"}, {"stamp", "stamps"}, {"sticker", "stickers"},
    {"card", "cards"}, {"photo", "photos"}, {"picture", "pictures"}, {"poster", "posters"}, {"map", "maps"}, {"pen", "pens"}, {"pencil", "pencils"}, {"crayon", "crayons"},
    {"marker", "markers"}, {"brush", "brushes"}, {"eraser", "erasers"}, {"ruler", "rulers"}, {"clip", "clips"}, {"pin", "pins"}, {"button", "buttons"}, {"bead", "beads"},
    {"ribbon", "ribbons"}, {"coin", "coins"}, {"medal", "medals"}, {"ring", "rings"}, {"necklace", "necklaces"}, {"bracelet", "bracelets"}, {"marble", "marbles"}, {"block", "blocks"},
    {"cube", "cubes"}, {"toy", "toys"}, {"doll", "dolls"}, {"kite", "kites"}, {"ball", "balls"}, {"balloon", "balloons"}, {"puzzle", "puzzles"}, {"game", "games"}, {"drum", "drums"},
    {"flute", "flutes"}, {"guitar", "guitars"}, {"song", "songs"}, {"album", "albums"}, {"movie", "movies"}, {"ticket", "tickets"}, {"flower", "flowers"}, {"rose", "roses"},
    {"tulip", "tulips"}, {"lily", "lilies"}, {"daisy", "daisies"}, {"orchid", "orchids"}, {"seed", "seeds"}, {"tree", "trees"}, {"bush", "bushes"}, {"stick", "sticks"},
    {"log", "logs"}, {"stone", "stones"}, {"rock", "rocks"}, {"shell", "shells"}, {"feather", "feathers"}, {"crystal", "crystals"}, {"brick", "bricks"}, {"board", "boards"},
    {"nail", "nails"}, {"screw", "screws"}, {"tile", "tiles"}, {"rope", "ropes"}, {"wheel", "wheels"}, {"tire", "tires"}, {"lamp", "lamps"}, {"candle", "candles"}, {"battery", "batteries"},
    {"key", "keys"}, {"chair", "chairs"}, {"table", "tables"}, {"desk", "desks"}, {"bench", "benches"}, {"shelf", "shelves"}, {"pillow", "pillows"}, {"blanket", "blankets"},
    {"towel", "towels"}, {"shirt", "shirts"}, {"jacket", "jackets"}, {"coat", "coats"}, {"dress", "dresses"}, {"skirt", "skirts"}, {"hat", "hats"}, {"cap", "caps"}, {"scarf", "scarves"},
    {"mitten", "mittens"}, {"glove", "gloves"}, {"sock", "socks"}, {"shoe", "shoes"}, {"boot", "boots"}, {"belt", "belts"}, {"bag", "bags"}, {"basket", "baskets"}, {"box", "boxes"},
    {"crate", "crates"}, {"carton", "cartons"}, {"packet", "packets"}, {"package", "packages"}, {"sack", "sacks"}, {"bucket", "buckets"}, {"barrel", "barrels"},
    {"drawer", "drawers"}, {"dog", "dogs"}, {"cat", "cats"}, {"kitten", "kittens"}, {"puppy", "puppies"}, {"rabbit", "rabbits"}, {"hamster", "hamsters"}, {"horse", "horses"},
    {"cow", "cows"}, {"goat", "goats"}, {"pig", "pigs"}, {"lamb", "lambs"}, {"hen", "hens"}, {"duck", "ducks"}, {"goose", "geese"}, {"bird", "birds"}, {"parrot", "parrots"}, {"owl", "owls"},
    {"pigeon", "pigeons"}, {"frog", "frogs"}, {"turtle", "turtles"}, {"lizard", "lizards"}, {"snake", "snakes"}, {"bee", "bees"}, {"butterfly", "butterflies"}, {"ant", "ants"},
    {"spider", "spiders"}, {"worm", "worms"}, {"snail", "snails"}, {"crab", "crabs"}, {"whale", "whales"}, {"bear", "bears"}, {"wolf", "wolves"}, {"fox", "foxes"}, {"monkey", "monkeys"},
    {"student", "students"}, {"pupil", "pupils"}, {"teacher", "teachers"}, {"player", "players"}, {"guest", "guests"}, {"visitor", "visitors"}, {"customer", "customers"},
    {"passenger", "passengers"}, {"member", "members"}, {"worker", "workers"}, {"dancer", "dancers"}, {"singer", "singers"}, {"farmer", "farmers"}, {"nurse", "nurses"}, {"boy", "boys"},
    {"girl", "girls"}, {"friend", "friends"}, {"car", "cars"}, {"truck", "trucks"}, {"van", "vans"}, {"bus", "buses"}, {"bike", "bikes"}, {"boat", "boats"},
    {"plane", "planes"}, {"room", "rooms"}, {"house", "houses"}, {"window", "windows"}, {"door", "doors"}, {"tent", "tents"}, {"seat", "seats"}, {"row", "rows"}, {"page", "pages"},
    {"chapter", "chapters"}, {"problem", "problems"}, {"question", "questions"}, {"worksheet", "worksheets"}, {"star", "stars"}, {"badge", "badges"},
    {"file", "files"}, {"message", "messages"}, {"level", "levels"}, {"robot", "robots"}, {"rocket", "rockets"},
    {"seashell", "seashells"}, {"bale", "bales"}, {"deck", "decks"}, {"hamburger", "hamburgers"}, {"lawn", "lawns"},
};

constexpr std::string_view kWomen[] = {
    "Joan",   "Ann",    "Sally",  "Jessica", "Mary",   "Melanie", "Sara",    "Nancy",  "Alyssa",  "Sandy",   "Karen",     "Joyce",  "Rosa",    "Megan",    "Emily",  "Anne",     "Robin",  "Faye",    "Ellen",  "Nina",    "Lucy",
    "Sarah",  "Maria",  "Amanda",  "Katie",  "Isabel",  "Tori",    "Haley",  "Jane",    "Connie",  "Mildred",   "Paige",  "Heather", "Scarlett", "Kylie",  "Dina",     "Lexi",   "Anna",    "Rachel", "Martha",  "Angela",
    "Janet",  "Carol",  "Diana",   "Lisa",   "Wendy",   "Zoe",     "Lana",   "Kelly",   "Debby",   "Michelle",  "Annie",  "Norma",   "Diane",    "Laura",  "Paula",    "Hannah", "Maggie",  "Eve",    "Allie",   "Teresa",
    "Helen",  "Ruth",   "Rebecca", "Tina",   "Jennifer", "Dorothy", "Kathleen", "Frances", "Carolyn", "Marie",    "Beth",   "Julia",   "Mandy",    "Jenny",  "Amy",      "Chloe",  "Gwen",    "Bianca", "Olivia",  "Kimberly",
    "Natalia", "Betty", "Julie",   "Grace",  "Clara",   "Stella",  "Ivy",    "Nora",    "Vera",    "Lena",      "Alice",  "Emma",    "Ella",     "Mia",    "Sofia",    "Leah",   "Tara",    "Priya",  "Mei",     "Fatima",
    "Stephanie", "Marilyn", "Madison", "Christine", "Shirley", "Evelyn", "Pamela", "Katherine", "Hayley", "Marcia", "Elise",  "Dana",    "Iris",     "Molly",  "Erin",     "Holly",  "Abby",    "Susan",  "Linda",   "Sharon"};

constexpr std::string_view kMen[] = {
    "Jason",  "Tom",    "Sam",    "Dan",   "Fred",   "Mike",    "Charles", "Benny",  "Tim",    "Keith",  "Jonah",  "Craig",   "Edward",      "Dave",   "Adam",   "William", "Charlie", "Todd",   "Jake",   "Chris",
    "George", "James",  "Victor", "Paco",  "Kevin",  "Bryan",   "Juan",    "John",   "Peter",  "Eugene", "Roger",  "Ralph",   "Clarence",    "Tanner", "Zach",   "Jack",    "Anthony", "Douglas", "Larry", "Ernest",
    "Jose",   "Kenneth", "Carl",  "Carson", "Tommy", "Paul",    "David",   "Spencer", "Jerry", "Oliver", "Frank",  "Jonathan", "Justin",     "Mark",   "Seth",   "Danny",   "Randy",   "Vince",  "Mitch",  "Brennan",
    "Gerald", "Donald", "Patrick", "Joshua", "Andrew", "Phillip", "Brian", "Sean",   "Harold", "Martin", "Ronald", "Nathan",  "Joe",         "Dylan",  "Bobby",  "Gavin",   "Ethan",   "Jeff",   "Andre",  "Brad",
    "Albert", "Jackson", "Darius", "Oscar", "Billy", "Cody",    "Luke",    "Ned",    "Kaleb",  "Robert", "Henry",  "Leo",     "Max",         "Noah",   "Liam",   "Omar",    "Ravi",    "Chen",   "Diego",  "Ivan",
    "Christopher", "Willie", "Kyle", "Allan", "Steve", "Matthew", "Eric",  "Bill",   "Harry",  "Simon",  "Felix",  "Hugo",    "Aaron",       "Isaac",  "Caleb",  "Owen",    "Theo",    "Ben",    "Gary",   "Walter"};

constexpr std::string_view kPhrases[] = {
    "in all|altogether|in total|all together",
    "bought>purchased|got",
    "picked up>collected",
    "picked>gathered|collected",
    "gave>handed|passed",
    "now have|have now",
    "now has|has now",
    "are left>remain|are still there|are remaining",
    "left?>remaining?|over?",
    "how many more>how many additional",
    "lost>misplaced|dropped",
    "found>discovered|spotted",
    "does he have>has he got",
    "does she have>has she got",
    "do they have>have they got",
    "start with>have at first|have in the beginning|begin with",
    "received>was given|got",
    "spent>paid",
    "earned>made",
    "wanted to>hoped to|planned to",
    "decided to>chose to",
    "was trying to>wanted to",
    "needs>requires",
    "needed>required",
    "then>later|after that",
    "yesterday|last week|on Monday|this morning",
    "today|this week|on Friday|this afternoon",
    "store|shop|market",
    "big|large|huge",
    "small|little|tiny",
    "red|blue|green|yellow|white|black|purple|pink|brown|gray",
    "brother|cousin|uncle|neighbor",
    "sister|cousin|aunt|neighbor",
    "mother|mom|grandmother",
    "father|dad|grandfather",
    "placed>put|laid",
    "threw away>threw out|discarded",
    "donated>gave away",
    "grew>raised",
    "planted>put in",
    "shared>split",
    "equally|evenly",
    "had to>must",
    "how much money>how many dollars",
    "kitchen|garage|garden|attic|basement|classroom|barn",
    "park|field|forest|yard|valley",
    "drawer|closet|cupboard|cabinet",
    "school|college|academy",
    "farm|orchard|ranch",
    "zoo|circus|museum|aquarium",
    "restaurant|cafe|diner|bakery",
    "costs>is sold for|is priced at",
    "finished|completed",
    "weighs>has a weight of",
    "baked|made",
    "class|group|club",
    "there are now>now there are",
    "total number of>number of all",
    "new|old|spare",
};

}  // namespace

std::span<const Thing> reword_things() { return kThings; }
std::span<const std::string_view> reword_women() { return kWomen; }
std::span<const std::string_view> reword_men() { return kMen; }
std::span<const std::string_view> reword_phrases() { return kPhrases; }

}  // namespace firesteel
