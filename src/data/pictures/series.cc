#include "data/pictures/series.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace firesteel::pictures {

namespace {

struct LabelSet {
  std::string_view noun;
  std::string_view nouns;
  bool ordered;
  std::span<const std::string_view> labels;
};

constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::string_view kDays[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
constexpr std::string_view kYears[] = {"2014", "2015", "2016", "2017", "2018", "2019", "2020", "2021", "2022", "2023", "2024", "2025", "2026"};
constexpr std::string_view kQuarters[] = {"Q1", "Q2", "Q3", "Q4"};
constexpr std::string_view kWeeks[] = {"W1", "W2", "W3", "W4", "W5", "W6", "W7", "W8"};
constexpr std::string_view kLetters[] = {"A", "B", "C", "D", "E", "F", "G", "H", "K", "L", "M", "N", "P", "R", "S", "T", "X", "Y", "Z"};
constexpr std::string_view kPeople[] = {"Ann", "Ben", "Bob", "Eva", "Ida", "Joe", "Kim", "Lea", "Leo", "Max", "Mia", "Sam", "Tom", "Zoe", "Anna", "Emma", "Finn", "Lucy", "Nora", "Paul", "Clara", "David", "Oscar"};
constexpr std::string_view kFruit[] = {"Fig", "Kiwi", "Lime", "Pear", "Plum", "Apple", "Grape", "Lemon", "Mango", "Melon", "Peach", "Banana", "Cherry", "Orange"};
constexpr std::string_view kCities[] = {"Bonn", "Cork", "Lima", "Oslo", "Rome", "Cairo", "Delhi", "Paris", "Tokyo", "Berlin", "London", "Madrid", "Vienna"};
constexpr std::string_view kAnimals[] = {"Ant", "Bat", "Bee", "Cat", "Cow", "Dog", "Fox", "Hen", "Owl", "Pig", "Bear", "Bird", "Fish", "Frog", "Goat", "Lion", "Horse", "Mouse", "Tiger", "Rabbit"};
constexpr std::string_view kProducts[] = {"Bag", "Cap", "Cup", "Hat", "Key", "Pen", "Toy", "Ball", "Book", "Coat", "Lamp", "Shoe", "Soap", "Chair", "Clock", "Phone", "Shirt", "Table", "Basket", "Pencil"};
constexpr std::string_view kSports[] = {"Judo", "Golf", "Polo", "Swim", "Run", "Ski", "Row", "Dance", "Chess", "Tennis", "Soccer", "Hockey"};

constexpr LabelSet kLabelSets[] = {
    {"month", "months", true, kMonths},      {"day", "days", true, kDays},           {"year", "years", true, kYears},
    {"quarter", "quarters", true, kQuarters}, {"week", "weeks", true, kWeeks},        {"letter", "letters", false, kLetters},
    {"person", "people", false, kPeople},    {"fruit", "fruits", false, kFruit},     {"city", "cities", false, kCities},
    {"animal", "animals", false, kAnimals},  {"product", "products", false, kProducts}, {"sport", "sports", false, kSports}};

constexpr std::string_view kHighest[] = {
    "which {noun} is highest?", "which {noun} has the highest {mark}?", "which {noun} has the largest value?", "name the {noun} with the highest value.",
    "which {noun} was highest?", "what is the top {noun}?", "which {noun} had the most?", "find the {noun} with the biggest {mark}.", "for which {noun} is the value greatest?",
    "which {noun} shows the maximum?", "which {noun} comes first by value?", "where is the maximum?", "which {noun} leads?", "what {noun} has the most?",
    "tell me which {noun} leads.", "the most: which {noun} has it?", "name the {noun} that comes first.", "which {noun} is at the top?", "the maximum belongs to which {noun}?",
    "i look for the {noun} with the highest value. which is it?", "highest {noun}?", "give the {noun} with the maximum.", "the greatest value is that of which {noun}?",
    "can you tell me which {noun} comes first?", "find the {noun} that is on top.", "say which {noun} has the greatest value.",
    "what about the largest {mark}, which {noun} has it?", "the largest value is shown by which {noun}?", "what {noun} shows the biggest value?",
    "please name the {noun} with the largest {mark}.", "where was the value highest?",
    "to which {noun} does the highest value belong?", "the highest {mark} belongs to which {noun}?", "what {noun} had the maximum?",
    "biggest {mark}: which {noun} is it?"};
constexpr std::string_view kLowest[] = {
    "which {noun} is lowest?", "which {noun} has the lowest {mark}?", "which {noun} has the smallest value?", "name the {noun} with the lowest value.",
    "which {noun} was lowest?", "what is the bottom {noun}?", "which {noun} had the least?", "find the {noun} with the smallest {mark}.", "for which {noun} is the value least?",
    "which {noun} shows the minimum?", "which {noun} comes last by value?", "where is the minimum?", "what {noun} has the least?",
    "tell me which {noun} comes last.", "the least: which {noun} has it?", "name the {noun} at the bottom.", "which {noun} is at the bottom?", "the minimum belongs to which {noun}?",
    "i look for the {noun} with the lowest value. which is it?", "lowest {noun}?", "give the {noun} with the minimum.", "the smallest value is that of which {noun}?",
    "can you tell me which {noun} is last by value?", "find the {noun} that had the least.", "say which {noun} shows the smallest value.",
    "what about the lowest {mark}, which {noun} has it?", "the lowest value is shown by which {noun}?", "what {noun} comes last?", "please name the {noun} with the lowest {mark}.",
    "where was the value lowest?",
    "to which {noun} does the lowest value belong?", "the lowest {mark} belongs to which {noun}?", "what {noun} had the minimum?", "which {noun} was last?"};
constexpr std::string_view kSecond[] = {
    "which {noun} is second highest?", "which {noun} has the second largest value?", "name the {noun} in second place.", "which {noun} comes second?",
    "what {noun} is second from the top?", "which {noun} has the second highest {mark}?", "which {noun} follows right after the highest one?", "second highest {noun}?",
    "find the {noun} with the second biggest {mark}.",
    "tell me the {noun} in second place.", "which {noun} is in second place?", "the second place goes to which {noun}?", "right after the highest one, which {noun} comes next?",
    "which {noun} follows the top one?", "name the {noun} right after the highest.", "give the {noun} that comes second.", "the second largest value belongs to which {noun}?",
    "the second biggest {mark} belongs to which {noun}?", "i look for the {noun} with the second highest value. which is it?", "can you tell me which {noun} is second highest?",
    "after the top one, which {noun} follows?", "second from the top: which {noun}?", "say which {noun} has the second biggest value.", "{noun} in second place?",
    "which {noun} comes next after the highest?", "please find the {noun} that is next after the top one.", "what {noun} has the second largest {mark}?",
    "to which {noun} does the second highest value belong?"};
constexpr std::string_view kValue[] = {
    "what is the value of {a}?", "how much is {a}?", "what value does {a} have?", "read the value of {a}.", "which number belongs to {a}?", "how high is {a}?",
    "what does the chart show for {a}?", "value of {a}?", "tell me the value for {a}.", "{a}: what is the value?", "how many for {a}?", "what number does {a} reach?",
    "{a}: value?", "{a} is how much?", "give the value of {a}.", "how much is it for {a}?", "what number is shown for {a}?", "how much does the chart show for {a}?", "the value of {a} is what?",
    "find the value for {a}.", "can you tell me how high {a} is?", "what about {a}, how much is it?", "please read the number for {a}.", "how many does {a} have?", "how high does {a} reach?",
    "which value does {a} reach?", "what value belongs to {a}?", "say which number {a} has.", "which number does {a} show?", "tell me how many {a} has.",
    "how high is the value of {a}?"};
constexpr std::string_view kWhich[] = {
    "which {noun} has {v}?", "which {noun} has the value {v}?", "for which {noun} is the value {v}?", "which {noun} stands at {v}?", "name the {noun} with {v}.",
    "what {noun} has a value of {v}?", "which {noun} reaches {v}?", "find the {noun} whose value is {v}.", "{v} belongs to which {noun}?",
    "{v} is the value of which {noun}?", "the value {v} belongs to which {noun}?", "tell me which {noun} has {v}.", "which {noun} is at {v}?", "find the {noun} that reaches {v}.",
    "name the {noun} that stands at {v}.", "i look for the {noun} with the value {v}. which is it?", "{v}: which {noun}?", "give the {noun} whose value is {v}.", "{v} is reached by which {noun}?",
    "can you find the {noun} at {v}?", "to which {noun} does {v} belong?", "to which {noun} does the value {v} belong?", "which {noun} shows {v}?",
    "what {noun} reaches {v}?", "the chart shows {v} for which {noun}?", "the value {v} is shown for which {noun}?", "please name the {noun} whose value is {v}.",
    "{v}: which {noun} stands there?"};
constexpr std::string_view kDifference[] = {
    "what is the difference between {a} and {b}?", "by how much do {a} and {b} differ?", "how far apart are {a} and {b}?", "how big is the difference between {a} and {b}?",
    "difference between {a} and {b}?", "what is the gap between {a} and {b}?", "{a} and {b}: how large is the difference?", "compute the difference of {a} and {b}.",
    "{a} and {b}: difference?", "how much do {a} and {b} differ?", "by how much does {a} differ from {b}?", "{a} and {b} differ by how much?", "tell me the difference between {a} and {b}.",
    "find the gap between {a} and {b}.", "how big is the gap between {a} and {b}?", "how large is the gap from {a} to {b}?", "{a} and {b} are how far apart?", "tell me how far {a} and {b} are apart.",
    "work out the difference between {a} and {b}.", "compute how far {a} and {b} lie apart.", "the difference between {a} and {b} is how much?", "can you compute the gap between {a} and {b}?",
    "how much lies between {a} and {b}?", "please work out by how much {a} and {b} differ.",
    "how large is the difference of the values of {a} and {b}?", "what is the difference of {a} and {b}?", "between {a} and {b}, how big is the gap?", "compare {a} and {b}: how big is the difference?",
    "compare the values of {a} and {b}. what is the difference?"};
constexpr std::string_view kMore[] = {
    "how much more is {a} than {b}?", "how much higher is {a} than {b}?", "by how much is {a} above {b}?", "how much larger is {a} than {b}?", "how much does {a} exceed {b}?",
    "{a} is how much higher than {b}?", "how much bigger is the value of {a} than that of {b}?", "by how much does {a} beat {b}?",
    "how much more does {a} have than {b}?", "{a} beats {b} by how much?", "{a} exceeds {b} by how much?", "{a} is above {b} by how much?", "tell me how much more {a} is than {b}.",
    "by how much is {a} ahead of {b}?", "{a} is ahead of {b} by how much?", "how far is {a} ahead of {b}?", "how far is {a} above {b}?", "find out by how much {a} exceeds {b}.",
    "work out how much higher {a} is than {b}.", "compared with {b}, how much more is {a}?",
    "compared with {b}, how much higher is {a}?", "say by how much {a} beats {b}.", "can you tell me how much larger {a} is than {b}?", "{a} has how much more than {b}?",
    "by how much is the value of {a} bigger than that of {b}?", "how much greater is {a} than {b}?", "{a} is how much greater than {b}?",
    "by how much is the value of {a} greater than the value of {b}?", "{a} is bigger than {b} by how much?",
    "{a} compared with {b}: how much more is it?", "{a} is how far above {b}?"};
constexpr std::string_view kLess[] = {
    "how much less is {b} than {a}?", "how much lower is {b} than {a}?", "by how much is {b} below {a}?", "how much smaller is {b} than {a}?", "how much is {b} short of {a}?",
    "{b} is how much lower than {a}?", "how much smaller is the value of {b} than that of {a}?", "by how much does {b} trail {a}?",
    "how much less does {b} have than {a}?", "{b} trails {a} by how much?", "{b} is short of {a} by how much?", "{b} is below {a} by how much?", "tell me how much less {b} is than {a}.",
    "by how much is {b} behind {a}?", "{b} is behind {a} by how much?", "how far is {b} behind {a}?", "how far is {b} below {a}?", "find out by how much {b} trails {a}.",
    "work out how much lower {b} is than {a}.", "by how much is {b} short of {a}?", "by how much does {b} fall short of {a}?", "compared with {a}, how much less is {b}?",
    "compared with {a}, how much lower is {b}?", "say by how much {b} stays behind {a}.", "can you tell me how much smaller {b} is than {a}?", "{b} has how much less than {a}?",
    "by how much is the value of {b} smaller than that of {a}?", "how much does {b} trail {a}?", "how much is missing from {b} to {a}?", "how much is {b} missing to reach {a}?",
    "{b} compared with {a}: how much less is it?", "{b} falls short of {a} by how much?", "tell me by how much {b} falls short of {a}.", "what is missing from {b} to {a}?"};
constexpr std::string_view kSpan[] = {
    "what is the difference between the highest and the lowest value?", "how far apart are the highest and the lowest {mark}?", "by how much does the highest value exceed the lowest?",
    "what is the range of the values?", "how much more is the largest value than the smallest?", "maximum minus minimum?", "how big is the gap between the top and the bottom value?",
    "difference between maximum and minimum?",
    "how far apart are the maximum and the minimum?", "range of the values?", "tell me the range of all the values.", "find the range from the lowest to the highest value.",
    "the gap between the largest and the smallest value is how big?", "gap between highest and lowest {mark}?", "how big is the difference between the largest and the smallest value?",
    "by how much does the largest {mark} exceed the smallest {mark}?", "by how much does the maximum exceed the minimum?", "the top and the bottom value are how far apart?",
    "work out the highest value minus the lowest value.", "compute the largest value minus the smallest.", "what is the highest minus the lowest value?",
    "from the bottom to the top value, how big is the range?", "how much more is the top {mark} than the bottom {mark}?", "how much higher is the highest {mark} than the lowest {mark}?",
    "how much higher is the maximum than the minimum?", "can you tell me how far the highest and the lowest value are apart?", "between the lowest and the highest {mark}, how large is the gap?"};
constexpr std::string_view kSum[] = {
    "what is the sum of {a} and {b}?", "how much are {a} and {b} together?", "what do {a} and {b} add up to?", "add {a} and {b}.", "how much do {a} and {b} make together?",
    "{a} plus {b}?", "what is {a} plus {b}?", "what are {a} and {b} combined?", "sum of {a} and {b}?", "work out {a} and {b} together.",
    "{a} and {b} together?", "{a} and {b} together are how much?", "add {a} to {b}: what is the sum?", "work out the sum of {a} and {b}.", "tell me how much {a} and {b} make.",
    "{a} and {b} add up to what?", "{a} and {b} combined: how much?", "if {a} and {b} are combined, how much is it?", "add up {a} and {b}.", "work out {a} plus {b}.", "the sum of {a} and {b} is what?",
    "how much do {a} and {b} make when combined?", "what do {a} and {b} make together?", "can you add {a} and {b}?", "tell me the total of {a} and {b}.", "what is the total of {a} and {b}?",
    "total for {a} and {b}?", "give the sum of the values of {a} and {b}.", "{a} plus {b} is how much?", "please add the values of {a} and {b}."};
constexpr std::string_view kTotal[] = {
    "what is the total?", "what is the sum of all values?", "how much is it altogether?", "add up all {nouns}.", "what do all {nouns} add up to?", "what is the total of all {nouns}?",
    "how much do all {mark}s make together?", "sum of all {mark}s?", "how much is everything together?",
    "total?", "tell me the total.", "the total of all values is what?", "add up all {mark}s.", "add up everything.", "all {nouns} together are how much?", "how much are all {nouns} together?",
    "everything together: how much is it?", "everything added up makes how much?", "altogether, how much is it?", "work out the sum of all {nouns}.", "work out how much it is altogether.",
    "what do all {mark}s make altogether?", "sum of all values?", "sum of everything?", "what does everything add up to?", "give the total of all {mark}s.", "can you add all the values together?",
    "how much do all {nouns} make in total?", "if all {nouns} are added, what is the sum?", "please find the sum of all {mark}s."};
constexpr std::string_view kAbove[] = {
    "how many {nouns} are above {v}?", "how many {nouns} have more than {v}?", "count the {nouns} above {v}.", "how many {nouns} exceed {v}?", "how many values are greater than {v}?",
    "number of {nouns} over {v}?", "for how many {nouns} is the value more than {v}?", "how many {mark}s are higher than {v}?",
    "tell me how many {nouns} exceed {v}.", "count the {nouns} that exceed {v}.", "how many {nouns} are over {v}?", "how many {mark}s are over {v}?", "count the {mark}s over {v}.",
    "for how many {nouns} is the value greater than {v}?", "for how many {nouns} is the value higher than {v}?", "how many {nouns} have a value greater than {v}?", "{nouns} above {v}: how many?",
    "more than {v}: how many {nouns}?", "number of {nouns} with more than {v}?", "number of {nouns} above {v}?", "what is the number of {nouns} higher than {v}?",
    "the value of how many {nouns} is above {v}?", "can you count the values above {v}?", "how many values exceed {v}?", "how many values are over {v}?",
    "find out how many {mark}s are greater than {v}.", "give the number of values higher than {v}."};
constexpr std::string_view kBelow[] = {
    "how many {nouns} are below {v}?", "how many {nouns} have less than {v}?", "count the {nouns} below {v}.", "how many {nouns} stay under {v}?", "how many values are smaller than {v}?",
    "number of {nouns} under {v}?", "for how many {nouns} is the value less than {v}?", "how many {mark}s are lower than {v}?",
    "tell me how many {nouns} stay under {v}.", "count the {nouns} that stay under {v}.", "how many {nouns} are under {v}?", "how many {mark}s are under {v}?", "how many {nouns} stay below {v}?",
    "count the {mark}s under {v}.", "for how many {nouns} is the value smaller than {v}?", "for how many {nouns} is the value lower than {v}?", "how many {nouns} have a value smaller than {v}?",
    "{nouns} below {v}: how many?", "less than {v}: how many {nouns}?", "number of {nouns} with less than {v}?", "number of {nouns} below {v}?", "what is the number of {nouns} lower than {v}?",
    "the value of how many {nouns} is below {v}?", "can you count the values below {v}?", "how many values stay under {v}?", "how many values are under {v}?",
    "find out how many {mark}s are smaller than {v}.", "give the number of values lower than {v}."};
constexpr std::string_view kCount[] = {
    "how many {nouns} are shown?", "how many {mark}s are there?", "count the {mark}s.", "how many {mark}s does the chart have?", "how many {nouns} does the chart show?", "number of {mark}s?",
    "how many values are in the chart?", "how many {nouns} do you see?",
    "count the {nouns}.", "{mark}s: how many?", "number of {nouns}?", "what is the number of {nouns}?", "what is the number of {mark}s in the chart?", "tell me how many {mark}s there are.",
    "tell me the number of {mark}s shown.", "how many {mark}s do you see?", "how many {mark}s are shown?", "how many {nouns} are there?", "how many {nouns} are in the chart?",
    "the chart has how many {mark}s?", "the chart shows how many {nouns}?", "count the values in the chart.", "how many values does the chart have?", "how many values are shown?",
    "can you count the {mark}s?", "give the number of {nouns} in the chart.", "there are how many {nouns}?", "for how many {nouns} do you see a value?"};
constexpr std::string_view kIsHigher[] = {
    "is {a} higher than {b}?", "is {a} greater than {b}?", "does {a} have more than {b}?", "is the value of {a} above that of {b}?", "is {a} larger than {b}?", "does {a} beat {b}?",
    "{a} above {b}: yes or no?", "was {a} higher than {b}?",
    "{a} higher than {b}?", "is it true that {a} is higher than {b}?", "is it true that {a} beats {b}?", "tell me whether {a} is greater than {b}.", "tell me whether {a} beats {b}.",
    "is {a} above {b}?", "does {a} lie above {b}?", "is {a} more than {b}?", "is the value of {a} larger than that of {b}?", "is the value of {a} greater than the value of {b}?",
    "{a} has more than {b}: yes or no?", "yes or no: is {a} larger than {b}?", "compared with {b}, is {a} higher?", "compared with {b}, does {a} have more?", "was {a} greater than {b}?",
    "did {a} beat {b}?", "was {a} above {b}?", "does {a} have a larger value than {b}?",
    "{a} lies above {b}: true?", "tell me if {a} lies above {b}."};
constexpr std::string_view kIsLower[] = {
    "is {a} lower than {b}?", "is {a} smaller than {b}?", "does {a} have less than {b}?", "is the value of {a} below that of {b}?", "is {a} less than {b}?", "does {a} stay behind {b}?",
    "{a} below {b}: yes or no?", "was {a} lower than {b}?",
    "{a} lower than {b}?", "is it true that {a} is lower than {b}?", "is it true that {a} stays behind {b}?", "tell me whether {a} is smaller than {b}.", "tell me whether {a} stays behind {b}.",
    "is {a} below {b}?", "does {a} lie below {b}?", "does {a} stay below {b}?", "is {a} behind {b}?", "is the value of {a} smaller than that of {b}?", "is the value of {a} less than the value of {b}?",
    "{a} has less than {b}: yes or no?", "yes or no: is {a} smaller than {b}?", "compared with {b}, is {a} lower?", "compared with {b}, does {a} have less?", "was {a} smaller than {b}?",
    "did {a} stay behind {b}?", "was {a} below {b}?", "does {a} have a smaller value than {b}?",
    "{a} lies below {b}: true?", "tell me if {a} lies below {b}."};
constexpr std::string_view kWhichOfTwo[] = {
    "which is higher, {a} or {b}?", "what is larger, {a} or {b}?", "{a} or {b}: which has more?", "which has the greater value, {a} or {b}?", "which of {a} and {b} is higher?",
    "of {a} and {b}, which is larger?", "which one has more, {a} or {b}?", "who is ahead, {a} or {b}?",
    "{a} or {b}: which is higher?", "{a} or {b}: which is larger?", "{a} or {b}: which is ahead?", "which is ahead, {a} or {b}?", "tell me which is ahead, {a} or {b}.",
    "which of the two is greater, {a} or {b}?", "which of the two has more, {a} or {b}?", "of {a} and {b}, which has more?", "of {a} and {b}, which has the greater value?",
    "of the two, {a} and {b}, which one is higher?", "which of {a} and {b} has the larger value?", "name the larger one: {a} or {b}.", "name the higher one of {a} and {b}.",
    "who has more, {a} or {b}?", "is {a} or {b} higher?", "is {a} or {b} ahead?", "does {a} or {b} have the greater value?", "compare {a} and {b}: which is larger?",
    "compare {a} and {b}: which one has more?", "between {a} and {b}, which is higher?", "which value is greater, that of {a} or that of {b}?",
    "who is higher, {a} or {b}?", "compare the two, {a} and {b}: which one is ahead?"};
constexpr std::string_view kColourOf[] = {
    "what colour is {a}?", "which colour does {a} have?", "what is the colour of {a}?", "in which colour is {a} drawn?", "name the colour of {a}.", "colour of {a}?",
    "which colour stands for {a}?", "tell me the colour of {a}.",
    "{a}: which colour?", "{a} has which colour?", "{a} is which colour?", "{a} is drawn in which colour?", "which colour is {a} drawn in?", "tell me in which colour {a} is drawn.",
    "for {a}, which colour is used?", "which colour is used for {a}?", "the colour used for {a} is what?", "the colour of {a} is what?", "what colour stands for {a}?",
    "name the colour that stands for {a}.", "in what colour is {a} shown?", "which colour is {a} shown in?", "{a} is shown in what colour?", "give the colour of {a}.",
    "can you name the colour of {a}?", "what colour does {a} have?", "find the colour that belongs to {a}.", "which colour belongs to {a}?", "what colour belongs to {a}?"};
constexpr std::string_view kColourOfTop[] = {
    "what colour is the highest {mark}?", "which colour does the largest {mark} have?", "what is the colour of the biggest {mark}?", "colour of the highest {mark}?",
    "the highest {mark} has which colour?", "name the colour of the largest {mark}.", "in which colour is the biggest {mark}?", "tell me the colour of the highest {mark}.",
    "highest {mark}: which colour?", "biggest {mark}: what colour is it?", "what is the colour of the highest {mark}?", "what is the colour of the largest {mark}?",
    "what colour does the biggest {mark} have?", "what colour does the {mark} with the highest value have?", "the {mark} with the highest value has which colour?",
    "the largest {mark} has which colour?", "the biggest {mark} is which colour?", "name the colour of the biggest {mark}.", "name the colour of the {mark} with the largest value.",
    "tell me the colour of the biggest {mark}.", "tell me in which colour the largest {mark} is drawn.", "in which colour is the highest {mark} drawn?", "find the highest {mark}. which colour is it?",
    "find the biggest {mark}. what colour does it have?", "colour of the largest {mark}?", "which colour belongs to the {mark} with the highest value?",
    "can you tell me what colour the largest {mark} is drawn in?", "give the colour of the {mark} that is highest."};
constexpr std::string_view kByColour[] = {
    "which {noun} is {c}?", "what does the {c} {mark} stand for?", "which {noun} is shown in {c}?", "the {c} {mark} belongs to which {noun}?", "which {noun} has the {c} {mark}?",
    "name the {noun} drawn in {c}.", "what {noun} is {c}?", "{c} stands for which {noun}?",
    "{c}: which {noun} is it?", "{c} is which {noun}?", "the {c} {mark} is which {noun}?", "the {c} {mark} stands for which {noun}?", "the {c} {mark} stands for what?", "tell me which {noun} is {c}.",
    "tell me what the {c} {mark} stands for.", "name the {noun} that is {c}.", "name the {noun} with the {c} {mark}.", "which {noun} is drawn in {c}?", "what {noun} is drawn in {c}?",
    "what {noun} is shown in {c}?", "which {noun} belongs to the {c} {mark}?", "to which {noun} does the {c} {mark} belong?", "find the {c} {mark}. which {noun} is it?",
    "find the {noun} shown in {c}.", "what {noun} has the {c} {mark}?", "which {noun} does the {c} {mark} show?", "can you tell me the {noun} that is drawn in {c}?",
    "give the {noun} of the {c} {mark}.", "for which {noun} does {c} stand?"};
constexpr std::string_view kTrend[] = {
    "did it rise or fall from {a} to {b}?", "from {a} to {b}, did the value go up or down?", "is the change from {a} to {b} a rise or a fall?", "up or down from {a} to {b}?",
    "what happened from {a} to {b}, rise or fall?", "does the value rise or fall between {a} and {b}?", "between {a} and {b}, rise or fall?", "how did it move from {a} to {b}, up or down?",
    "did it go up or down from {a} to {b}?", "did the value rise or fall from {a} to {b}?", "{a} to {b}: rise or fall?", "{a} to {b}: up or down?", "rise or fall from {a} to {b}?",
    "rise or fall between {a} and {b}?", "does it go up or down between {a} and {b}?", "does the value move up or down from {a} to {b}?", "what happened between {a} and {b}, a rise or a fall?",
    "what happened to the value from {a} to {b}: up or down?", "is there a rise or a fall from {a} to {b}?", "is it a rise or a fall between {a} and {b}?",
    "is the change between {a} and {b} a rise or a fall?", "what is the change from {a} to {b}, rise or fall?", "how did the value change from {a} to {b}, rise or fall?",
    "how did the value move between {a} and {b}, up or down?", "tell me whether it moved up or down from {a} to {b}.",
    "from {a} to {b}, is there a rise or a fall?", "between {a} and {b}, did it move up or down?", "look at {a} and {b}: did it rise or fall?",
    "from {a} to {b}, tell me if it rose or fell.", "say whether it rose or fell from {a} to {b}.", "tell me whether the value rose or fell between {a} and {b}."};

std::string number(int64_t value) { return std::to_string(value); }

std::string entry(const Series& series, size_t i) { return series.labels[i] + ' ' + number(series.values[i]) + series.unit; }

std::vector<size_t> by_value(const Series& series) {
  std::vector<size_t> order(series.values.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return series.values[a] > series.values[b]; });
  return order;
}

std::vector<size_t> all_of(const Series& series) {
  std::vector<size_t> all(series.labels.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = i;
  return all;
}

std::string best_of(const Series& series, const std::vector<size_t>& which, bool highest) {
  std::vector<std::string> parts;
  std::vector<int64_t> values;
  for (const size_t i : which) {
    parts.push_back(entry(series, i));
    values.push_back(series.values[i]);
  }
  return best_so_far(parts, values, highest);
}

void answer_number(Plan* plan, int64_t value, const std::string& unit = "") {
  plan->answer = number(value);
  plan->unit = unit;
  plan->grader = "number";
}

void ask_difference(Asker* ask, Plan* plan, const Series& series, const std::string& name_a, const std::string& name_b, size_t high, size_t low) {
  const size_t form = ask->index(4);
  const std::string& a = series.values[high] > series.values[low] ? name_a : name_b;
  const std::string& b = series.values[high] > series.values[low] ? name_b : name_a;
  if (series.values[high] < series.values[low]) std::swap(high, low);
  if (form == 0) {
    const std::vector<size_t> order = by_value(series);
    high = order.front();
    low = order.back();
    plan->question = ask->word(kSpan, {{"mark", series.mark}});
    plan->working = "highest: " + best_of(series, all_of(series), true) + "\nlowest: " + best_of(series, all_of(series), false) + '\n';
  } else {
    const bool swapped = form == 1 && ask->chance(0.5);  // "between a and b" in either order
    plan->question = ask->word(form == 1 ? Words(kDifference) : form == 2 ? Words(kMore) : Words(kLess), {{"a", swapped ? b : a}, {"b", swapped ? a : b}});
  }
  const std::string x = number(series.values[high]);
  const std::string y = number(series.values[low]);
  plan->working += entry(series, high) + ", " + entry(series, low);
  plan->expression = x + '-' + y;
  answer_number(plan, series.values[high] - series.values[low], series.unit);
  plan->steps = x + " - " + y + " = " + plan->answer;
}

void ask_total(Asker* ask, Plan* plan, const Series& series) {
  plan->question = ask->word(kTotal, {{"nouns", series.nouns}, {"mark", series.mark}});
  int64_t total = series.values[0];
  plan->expression = number(total);
  for (size_t i = 1; i < series.values.size(); ++i) {
    const std::string step = number(series.values[i]);
    plan->steps += (i > 1 ? ", " : "") + number(total) + " + " + step + " = " + number(total + series.values[i]);
    plan->expression += '+' + step;
    total += series.values[i];
  }
  answer_number(plan, total, series.unit);
}

void ask_count_above(Asker* ask, Plan* plan, const Series& series) {
  const bool above = ask->chance(0.5);
  // Every number of hits is as likely as another; the limit lies between two values.
  const std::vector<size_t> order = by_value(series);
  const size_t n_above = ask->index(order.size() + 1);
  const int64_t upper = n_above == 0 ? series.values[order.front()] + 6 : series.values[order[n_above - 1]];
  const int64_t lower = n_above == order.size() ? std::max<int64_t>(0, series.values[order.back()] - 6) : series.values[order[n_above]];
  int64_t limit = lower + 1 >= upper ? lower : ask->between(lower + 1, upper - 1);
  if (limit == lower && !above && n_above < order.size()) limit = upper;  // "below": the limit itself does not count
  // One value after the other, and how many there are so far.
  int64_t n_hits = 0;
  std::vector<std::string> seen;
  for (size_t i = 0; i < series.values.size(); ++i) {
    n_hits += (above ? series.values[i] > limit : series.values[i] < limit) ? 1 : 0;
    seen.push_back(compared(number(series.values[i]), number(limit), series.values[i], limit) + ' ' + number(n_hits));
  }
  plan->question = ask->word(above ? Words(kAbove) : Words(kBelow), {{"nouns", series.nouns}, {"mark", series.mark}, {"v", number(limit) + series.unit}});
  plan->working = (above ? "above " : "below ") + number(limit) + ": " + joined(seen, "; ");
  answer_number(plan, n_hits);
}

void ask_compare(Asker* ask, Plan* plan, const Series& series, const std::string& a, const std::string& b, size_t i, size_t k) {
  const size_t form = ask->index(3);
  plan->question = ask->word(form == 0 ? Words(kIsHigher) : form == 1 ? Words(kIsLower) : Words(kWhichOfTwo), {{"a", a}, {"b", b}});
  const bool higher = series.values[i] > series.values[k];
  plan->working = form == 2 ? compared(entry(series, i), entry(series, k), series.values[i], series.values[k])
                            : asked_and_seen(series.labels[i], series.labels[k], form == 0, series.values[i], series.values[k], series.unit);
  plan->answer = form == 2 ? series.labels[higher ? i : k] : higher == (form == 0) ? "yes" : "no";
}

void ask_colour(Asker* ask, Plan* plan, const Series& series, size_t i) {
  CHECK(series.colours.size() == series.labels.size());
  std::vector<std::string> parts;
  for (size_t k = 0; k < series.labels.size(); ++k) parts.push_back(series.labels[k] + ' ' + std::string(series.colours[k].name));
  const size_t form = ask->index(3);
  if (form == 0 && !series.by_colour) {
    plan->question = ask->word(kColourOf, {{"a", series.labels[i]}});
    plan->sees = joined(parts, ", ");
    plan->working = parts[i];
    plan->answer = series.colours[i].name;
  } else if (form == 1 && !series.by_colour) {
    plan->question = ask->word(kByColour, {{"noun", series.noun}, {"mark", series.mark}, {"c", std::string(series.colours[i].name)}});
    plan->sees = joined(parts, ", ");
    plan->working = std::string(series.colours[i].name) + ": " + series.labels[i];
    plan->answer = series.labels[i];
  } else {
    const size_t top = by_value(series).front();
    plan->question = ask->word(kColourOfTop, {{"mark", series.mark}});
    plan->working = "highest: " + best_of(series, all_of(series), true) + (series.by_colour ? "" : "\n" + parts[top]);
    plan->answer = series.colours[top].name;
  }
}

}  // namespace

void pick_labels(Asker* ask, Series* series, size_t n, size_t longest) {
  for (;;) {
    const LabelSet& set = ask->one_of(kLabelSets);
    std::vector<std::string_view> usable;
    for (const std::string_view label : set.labels) {
      if (label.size() <= longest) usable.push_back(label);
    }
    if (usable.size() < n) continue;
    series->noun = set.noun;
    series->nouns = set.nouns;
    series->ordered = set.ordered;
    series->labels.clear();
    if (set.ordered || (set.noun == "letter" && ask->chance(0.6))) {
      const size_t first = ask->index(usable.size() - n + 1);
      for (size_t i = 0; i < n; ++i) series->labels.emplace_back(usable[first + i]);
    } else {
      for (const size_t i : ask->some_of(n, usable.size())) series->labels.emplace_back(usable[i]);
    }
    return;
  }
}

void pick_values(Asker* ask, Series* series, int64_t low, int64_t high, int64_t step) {
  const auto n_levels = static_cast<size_t>((high - low) / step + 1);
  CHECK(n_levels >= series->labels.size());
  series->values.clear();
  for (const size_t level : ask->some_of(series->labels.size(), n_levels)) series->values.push_back(low + step * static_cast<int64_t>(level));
}

void call_by_colour(Series* series) {
  CHECK(series->colours.size() == series->labels.size());
  series->by_colour = true;
  series->ordered = false;
  series->noun = "colour";
  series->nouns = "colours";
  for (size_t i = 0; i < series->labels.size(); ++i) series->labels[i] = series->colours[i].name;
}

std::string describe_series(const Series& series) {
  std::vector<std::string> parts;
  for (const size_t i : all_of(series)) parts.push_back(entry(series, i));
  return joined(parts, ", ");
}

void ask_series(Asker* ask, Plan* plan, const Series& series, std::string_view question) {
  const size_t n = series.labels.size();
  plan->sees = describe_series(series);
  plan->combination = plan->sees;
  const std::vector<size_t> order = by_value(series);
  const std::vector<size_t> two = ask->some_of(2, n);
  const auto called = [&](size_t i) { return series.by_colour ? "the " + series.labels[i] + ' ' + series.mark : series.labels[i]; };
  const std::string a = called(two[0]);
  const std::string b = called(two[1]);
  if (question == "highest" || question == "lowest") {
    const bool high = question == "highest";
    const size_t i = high ? order.front() : order.back();
    plan->question = ask->word(high ? Words(kHighest) : Words(kLowest), {{"noun", series.noun}, {"mark", series.mark}});
    plan->working = std::string(question) + ": " + best_of(series, all_of(series), high);
    plan->answer = series.labels[i];
  } else if (question == "second") {
    plan->question = ask->word(kSecond, {{"noun", series.noun}, {"mark", series.mark}});
    std::vector<size_t> others = all_of(series);
    std::erase(others, order[0]);
    plan->working = "highest: " + best_of(series, all_of(series), true) + "\nsecond: " + best_of(series, others, true);
    plan->answer = series.labels[order[1]];
  } else if (question == "value") {
    plan->question = ask->word(kValue, {{"a", a}});
    plan->working = entry(series, two[0]);
    answer_number(plan, series.values[two[0]], series.unit);
  } else if (question == "which") {
    plan->question = ask->word(kWhich, {{"noun", series.noun}, {"v", number(series.values[two[0]]) + series.unit}});
    plan->working = number(series.values[two[0]]) + series.unit + ": " + series.labels[two[0]];
    plan->answer = series.labels[two[0]];
  } else if (question == "difference") {
    ask_difference(ask, plan, series, a, b, two[0], two[1]);
  } else if (question == "sum") {
    const std::string x = number(series.values[two[0]]);
    const std::string y = number(series.values[two[1]]);
    plan->question = ask->word(kSum, {{"a", a}, {"b", b}});
    plan->working = entry(series, two[0]) + ", " + entry(series, two[1]);
    plan->expression = x + '+' + y;
    answer_number(plan, series.values[two[0]] + series.values[two[1]], series.unit);
    plan->steps = x + " + " + y + " = " + plan->answer;
  } else if (question == "total") {
    ask_total(ask, plan, series);
  } else if (question == "count_above") {
    ask_count_above(ask, plan, series);
  } else if (question == "count") {
    plan->question = ask->word(kCount, {{"nouns", series.nouns}, {"mark", series.mark}});
    plan->sees = counted(series.labels);
    answer_number(plan, static_cast<int64_t>(n));
  } else if (question == "compare") {
    ask_compare(ask, plan, series, a, b, two[0], two[1]);
  } else if (question == "trend") {
    CHECK(series.ordered);
    const size_t from = std::min(two[0], two[1]);
    const size_t to = std::max(two[0], two[1]);
    plan->question = ask->word(kTrend, {{"a", series.labels[from]}, {"b", series.labels[to]}});
    plan->working = compared(entry(series, from), entry(series, to), series.values[from], series.values[to]);
    plan->answer = series.values[to] > series.values[from] ? "rise" : "fall";
  } else {
    CHECK(question == "colour");
    ask_colour(ask, plan, series, two[0]);
  }
}

}  // namespace firesteel::pictures
