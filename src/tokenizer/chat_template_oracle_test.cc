// The interpreter against Jinja2 itself, in one Python process per test. Skipped where python3-jinja2 is not installed; the recorded
// outputs in chat_template_test.cc work without it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/rng.h"
#include "tokenizer/chat_template.h"

namespace firesteel {
namespace {

std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

bool have_jinja2() {
  static const bool have = std::system("/usr/bin/python3 -c 'import jinja2' 2>/dev/null") == 0;
  return have;
}

#define SKIP_WITHOUT_JINJA2() \
  if (!have_jinja2()) GTEST_SKIP() << "/usr/bin/python3 has no jinja2 (apt install python3-jinja2)"

struct Case {
  std::string name;
  std::string source;
  Json context;
  int64_t now = 0;
};

// Renders all cases with both and compares. Returns how many rendered without error in Jinja2.
int compare_all(std::vector<Case> cases) {
  // Jinja2 gets the context as our render passes it on; what we refuse before rendering is tested elsewhere.
  std::erase_if(cases, [](Case& c) {
    const auto compiled = ChatTemplate::compile(c.source);
    if (!compiled.ok()) return false;
    auto fitted = (*compiled)->fit(c.context);
    if (fitted.ok()) c.context = std::move(*fitted);
    return !fitted.ok();
  });
  const std::filesystem::path folder = testing::TempDir();
  const std::string tag = "jinja_oracle_" + std::to_string(getpid());
  const std::filesystem::path in = folder / (tag + ".in");
  const std::filesystem::path out = folder / (tag + ".out");
  {
    std::ofstream file(in, std::ios::binary);
    for (const Case& c : cases) file << Json(Json::Object{{"template", c.source}, {"context", c.context}, {"now", c.now}}).dump() << "\n";
  }
  const std::filesystem::path script = std::filesystem::path(FS_TEST_DATA) / "../../tools/jinja_oracle.py";
  const std::string command = "/usr/bin/python3 '" + script.string() + "' < '" + in.string() + "' > '" + out.string() + "'";
  EXPECT_EQ(std::system(command.c_str()), 0);
  std::ifstream results(out, std::ios::binary);
  int n_rendered = 0;
  for (const Case& c : cases) {
    std::string line;
    if (!std::getline(results, line)) {
      ADD_FAILURE() << "the oracle stopped before " << c.name;
      break;
    }
    const auto result = Json::parse(line);
    if (!result.ok()) {
      ADD_FAILURE() << line;
      break;
    }
    std::string ours;
    const auto compiled = ChatTemplate::compile(c.source);
    if (!compiled.ok()) {
      ours = "error: " + compiled.error().message;
    } else {
      const auto text = (*compiled)->render_text(c.context, c.now);
      ours = text.ok() ? "text: " + *text : "error: " + text.error().message;
    }
    const Json* text = result->find("text");
    n_rendered += text != nullptr ? 1 : 0;
    if (ours.find("beyond 64 bits") != std::string::npos) continue;  // Python's integers have no end
    if (text != nullptr) {
      EXPECT_EQ(ours, "text: " + text->as_string()) << c.name << "\n" << c.source;
    } else {
      EXPECT_EQ(ours.substr(0, 6), "error:") << c.name << "\n" << c.source << "\nJinja2: " << result->find("error")->as_string() << "\nours: " << ours;
    }
  }
  std::filesystem::remove(in);
  std::filesystem::remove(out);
  return n_rendered;
}

std::vector<Case> cases_of(const std::string& name, const std::string& source) {
  const auto conversations = Json::parse(read_text(std::filesystem::path(FS_TEST_DATA) / "templates/conversations.json"));
  EXPECT_TRUE(conversations.ok());
  std::vector<Case> cases;
  for (const auto& [label, conversation] : conversations->as_object()) {
    const Json* now = conversation.find("now");
    cases.push_back({name + ", " + label, source, *conversation.find("context"), now != nullptr ? now->as_int() : 0});
  }
  return cases;
}

TEST(ChatTemplateOracle, RecordedTemplates) {
  SKIP_WITHOUT_JINJA2();
  std::vector<Case> cases;
  for (const char* name : {"chatml", "header_tools", "inst_tools", "language", "signature_tools", "turns"}) {
    for (Case& c : cases_of(name, read_text(std::filesystem::path(FS_TEST_DATA) / "templates" / (std::string(name) + ".jinja")))) cases.push_back(std::move(c));
  }
  EXPECT_GT(compare_all(cases), 80);
}

TEST(ChatTemplateOracle, TheTemplateOfKindling) {
  SKIP_WITHOUT_JINJA2();
  std::vector<Case> cases;
  for (Case& c : cases_of("kindling", read_text(std::filesystem::path(FS_TEST_DATA) / "../../models/kindling/chat_template.jinja"))) {
    cases.push_back(c);
    c.context.set("enable_thinking", false);
    cases.push_back(std::move(c));
  }
  EXPECT_GT(compare_all(cases), 20);
}

TEST(ChatTemplateOracle, TemplatesOfRealModels) {
  SKIP_WITHOUT_JINJA2();
  const char* shared = std::getenv("FS_SHARED");
  const std::filesystem::path folder = std::filesystem::path(shared != nullptr ? shared : FS_SHARED_DEFAULT) / "data/tokenizers/hf";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is absent (set FS_SHARED)";
  std::vector<Case> cases;
  int n_templates = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.file_size() > 100'000) continue;  // tokenizers
    const auto config = Json::parse(read_text(entry.path()));
    const Json* source = config.ok() ? config->find("chat_template") : nullptr;
    if (source == nullptr || !source->is_string()) continue;
    ++n_templates;
    for (Case& c : cases_of(entry.path().filename().string(), source->as_string())) {
      cases.push_back(c);
      c.context.set("add_generation_prompt", false);
      cases.push_back(c);
      c.context.set("add_generation_prompt", true);
      c.context.set("enable_thinking", false);
      cases.push_back(std::move(c));
    }
  }
  EXPECT_GE(n_templates, 6);
  EXPECT_GT(compare_all(cases), 120);
}

// --- Generated templates. A grammar as data: "$X" expands to one of X's productions, "$x" to one of X's leaves. It keeps to what both
// sides mean the same by: no generators printed, no integers beyond 64 bits, no markup.

struct Rule {
  char symbol;
  std::vector<const char*> leaves;
  std::vector<const char*> productions;
};

const std::vector<Rule>& grammar() {
  static const std::vector<Rule> rules = {
      {'A', {"$i", "$r", "$b", "$l", "$d", "$t", "$t", "none", "nothing"}, {"$I", "$R", "$B", "$L", "$D", "$T", "$T", "$T"}},
      {'I',
       {"0", "1", "2", "-3", "7", "n", "l[0]", "d.b", "100", "0x1F", "1_000", "true"},
       {"($I$P$I)", "($I$P$I)", "($T) | length", "($L) | length", "($T).find($t)", "($A) | int", "($L) | first | int(4)", "-($I)", "($T).count($t)", "[$I, $I] | max",
        "[$I, $R] | min"}},
      {'P', {" + ", " - ", " * ", " // ", " % "}, {}},
      {'R',
       {"1.5", "0.1", "f", "2e3", "1e-7", "123456789.125", "1e22", "-0.0", "100.0"},
       {"($R$P$I)", "($I / $I)", "($R) | round(2)", "($R) | round", "($A) | float", "($R) | round(1, 'ceil')", "($R) | round(1, 'floor')", "($R) | abs"}},
      {'B',
       {"true", "false", "b", "none is none", "nothing is defined"},
       {"($I$C$R)", "($T$C$T)", "($A == $A)", "($A) is $Q", "($A) is not $Q", "($t in $T)", "($t not in $T)", "($A and $B)", "($A or $B)", "not ($A)", "($a in $L)", "($I$C$I$C$R)"}},
      {'C', {" == ", " != ", " < ", " <= ", " > ", " >= "}, {}},
      {'Q', {"string", "number", "integer", "float", "boolean", "mapping", "sequence", "iterable", "none", "defined", "undefined", "true", "false", "odd",
             "even", "lower", "upper", "divisibleby 3", "in [1, 'a', none]", "eq(1)", "ge 2", "sameas none"}, {}},
      {'T',
       {"'a'", "''", "\"it's\"", "'say \"x\"'", "s", "t", "' pad '", "'a,b,,c'", "'Line1\\nline2\\r\\nl3'", "'\\u00e9\\x41\\t\\\\'", "'日本語'", "'12'", "'-7.5'",
        "msgs[0].role", "msgs[-1]['content']", "ls[1]", "'a' 'b'", "'x-y z'"},
       {"($T ~ $A)", "($T + $T)", "(($T) | $F)", "(($T) | $F)", "(($A) | $F)", "($T).$M", "($T).$M", "(($T) | string)$S", "($A if $B else $A)", "(($L) | join($t))",
        "('%s|%5s|%-4s|%r' % ($A, $t, $i, $a))", "('%d %05d %+d %x %.2f %e %g' % ($I, n, 3, 255, $R, $r, $r))"}},
      {'F', {"upper", "lower", "trim", "title", "capitalize", "string", "string | reverse", "tojson", "replace('a', 'bb')", "replace('', '-')", "replace('l', '', 1)", "indent",
             "indent(2, true)", "indent('> ', blank=true)", "center(9)", "default('q')", "default('q', true)", "trim('a ')", "list | join('.')", "truncate(5)",
             "truncate(7, true, '')", "wordcount", "first", "last", "length", "list | tojson", "list | sort | join"}, {}},
      {'M', {"strip()", "lstrip('a ')", "rstrip()", "upper()", "lower()", "title()", "capitalize()", "swapcase()", "split()", "split(',')", "split(',', 1)", "rsplit(' ', 1)",
             "rsplit(none, 1)", "splitlines()", "splitlines(true)", "replace('a', 'é')", "startswith('a')", "endswith(('a', 'c'))", "zfill(6)", "ljust(6, '*')", "rjust(6)",
             "center(7, '-')", "partition(',')", "rpartition('a')", "isdigit()", "isalpha()", "isspace()", "isupper()", "islower()", "isalnum()", "removeprefix('a')",
             "removesuffix('c')", "find('a', 1)", "rfind('a')", "count('')", "join(ls)"}, {}},
      {'S', {"[0]", "[-1]", "[1:]", "[:-1]", "[::-1]", "[1:3]", "[::2]", "[-2:]", "[3:1:-1]", "[99]", "[:99]", "[n:]", "[-99:2]", "[5::-2]"}, {}},
      {'L',
       {"[]", "l", "ls", "msgs", "[1, 'a', none]", "(1, 2)", "[[2, 1], [0]]", "range(4) | list", "d", "[3, 1.5, true]", "('x',)"},
       {"(($L) | $G)", "(($L) | $G)", "(($L) | list)$S", "($L + $L)", "[$A, $A]", "(($T) | list)"}},
      {'G', {"sort", "sort(reverse=true)", "reverse | list", "unique | list", "list", "map('string') | list", "map('upper') | list", "select | list", "reject('none') | list",
             "select('number') | list", "map(attribute='role') | list", "selectattr('role', 'equalto', 'user') | list", "rejectattr('content') | list", "batch(2) | list",
             "batch(3, 'x') | list", "sort(attribute='role') | map(attribute='content') | list", "map('int') | sum", "map('length') | list", "map('default', 'z') | list",
             "select('in', [1, 2]) | list"}, {}},
      {'D',
       {"{}", "d", "msgs[0]", "{'b': 1, 'a': 2}", "{1: 'one', 'k': none}", "dict(a=1, b='x')"},
       {"{'x': $A, $t: $A}", "($D).get('a', $a)", "($D)['a']", "($D).k", "(($D)$H)", "(($D)$H)"}},
      {'H', {" | items | list", " | dictsort", " | dictsort(reverse=true)", " | tojson", " | tojson(indent=2)", " | tojson(sort_keys=true, separators=(',', ':'))", " | list",
             " | length", " | tojson(ensure_ascii=true)", " | dictsort(by='value')", " | string"}, {}},
      // Statements: X outside and Y inside of a loop.
      {'N', {"u", "v", "w", "n"}, {}},
      {'X', {"{{ $n }};", "{{ $t }};", "{{ $i }}"},
       {"$Z", "$Z", "$X$X", "$X$X", "$X$X$X", "{% for $n in $l %}$Y{{ loop.index0 }}{{ loop.last }}{% else %}none{% endfor %}",
        "{% if $b %}$X{% elif $a %}E{% else %}$X{% endif %}", "{% with u = $a, w = u %}$X{% endwith %}",
        "{% macro c() %}<{{ caller($a) }}>{% endmacro %}{% call(w) c() %}{{ w }}$X{% endcall %}"}},
      {'Y', {"{{ $n }};", "{{ loop.index }}", "{{ loop.previtem }}"},
       {"$Z", "$Y$Y", "$Y$Y", "{% if $B %}{% break %}{% endif %}", "{% if $b %}{% continue %}{% endif %}", "{% if $b %}$Y{% elif $a %}E{% else %}$Y{% endif %}",
        "{% with u = $a, w = u %}$Y{% endwith %}", "{% for $n in $l %}$Y{% endfor %}", "{{ loop.cycle('p', 'q') }}{{ loop.changed($a) }}"}},
      {'Z', {"{{ $n }}"},
       {"{% for k, v in $d | dictsort if $b %}{{ k }}={{ v }}{{ loop.revindex }},{% endfor %}", "{% set $n = $A %}", "{% set $n %}$X{% endset %}",
        "{% set $n | upper %}$X{% endset %}", "{% macro m(u, v=$a) %}$X{{ u }}/{{ v }}{% endmacro %}{{ m($a) }}{{ m(1, v=$t) }}",
        "{% set ns = namespace(a=0) %}{% for i in l %}{% set ns.a = ns.a + i %}{% set $n = i %}{% endfor %}{{ ns.a }}", "{% filter lower %}$X{% endfilter %}",
        "{% set u, v = $a, $a %}", "{% generation %}$X{% endgeneration %}"}},
      // Whitespace control: W is text, V a piece, E the sign of a tag, K of an output.
      {'W', {"a", " ", "\n", "  ", "\n  ", "  \n", "\n\n", "b c", "\t", "x\n", "\r\n", " \r", "\xC2\xA0", "{", "}", "%}", "{ {", "- "}, {}},
      {'E', {"", "", "", "-", "+"}, {}},
      {'K', {"", "", "-"}, {}},
      {'V', {"$w", "$w$w"},
       {"$V$V", "$V$V$V", "$V$V$V$V", "{{$k 1 $k}}", "{{ 'v\n' }}", "{#$e note\n$e#}", "{%$e if true $e%}$V{%$e endif\n$e%}", "{%$efor i in [1, 2]$e%}$V{%$e endfor $e%}",
        "{%$k raw $k%} {{ raw }}\n {%$e endraw $e%}", "{%$e set x = 1$e%}"}},
  };
  return rules;
}

class Generator {
 public:
  explicit Generator(uint64_t seed) : rng_(seed) {}

  std::string make(const char* production, int depth) {
    std::string out;
    expand(production, depth, &out);
    return out;
  }

 private:
  void expand(const char* production, int depth, std::string* out) {
    for (const char* c = production; *c != '\0'; ++c) {
      if (*c != '$') {
        out->push_back(*c);
        continue;
      }
      ++c;
      const bool leaf = *c >= 'a' && *c <= 'z';
      const char symbol = leaf ? static_cast<char>(*c - 32) : *c;
      for (const Rule& rule : grammar()) {
        if (rule.symbol != symbol) continue;
        const bool stop = leaf || depth <= 0 || rule.productions.empty() || rng_.below(5) == 0;
        const auto& options = stop ? rule.leaves : rule.productions;
        expand(options[rng_.below(options.size())], depth - 1, out);
      }
    }
  }

  Rng rng_;
};

Json context() {
  return *Json::parse(R"json({"s": "Hello, wörld! ñ 👋", "t": "  some text\twith  blanks \n", "n": 5, "f": -2.75, "b": true, "z": null, "l": [3, 1, 2],
    "ls": ["b", "A", "c", ""], "d": {"b": 2, "a": "é\"\\", "c": [1, null, {}]},
    "msgs": [{"role": "user", "content": "hi <b>"}, {"role": "assistant", "content": ""}, {"role": "user", "content": "x\ny"}]})json");
}

uint64_t seed() {
  const uint64_t seed = 20261123 + static_cast<uint64_t>(GTEST_FLAG_GET(random_seed));
  printf("seed %llu (--gtest_random_seed=%d)\n", static_cast<unsigned long long>(seed), GTEST_FLAG_GET(random_seed));
  return seed;
}

TEST(ChatTemplateOracle, GeneratedExpressions) {
  SKIP_WITHOUT_JINJA2();
  Generator generator(seed());
  std::vector<Case> cases;
  for (int i = 0; i < 700; ++i) cases.push_back({"expression " + std::to_string(i), generator.make("{{ $A }}", 4), context()});
  EXPECT_GT(compare_all(cases), 300);
}

TEST(ChatTemplateOracle, GeneratedWhitespace) {
  SKIP_WITHOUT_JINJA2();
  Generator generator(seed());
  std::vector<Case> cases;
  for (int i = 0; i < 300; ++i) cases.push_back({"whitespace " + std::to_string(i), generator.make("$V$V$V$w$w", 4), context()});
  EXPECT_GT(compare_all(cases), 200);
}

TEST(ChatTemplateOracle, GeneratedStatements) {
  SKIP_WITHOUT_JINJA2();
  Generator generator(seed());
  std::vector<Case> cases;
  for (int i = 0; i < 300; ++i) cases.push_back({"statements " + std::to_string(i), generator.make("$X$X$X", 4), context()});
  EXPECT_GT(compare_all(cases), 60);
}

}  // namespace
}  // namespace firesteel
