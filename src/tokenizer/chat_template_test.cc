#include "tokenizer/chat_template.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/rng.h"

namespace firesteel {
namespace {

std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

Json parse(std::string_view text) {
  auto json = Json::parse(text);
  EXPECT_TRUE(json.ok()) << (json.ok() ? "" : json.error().message) << "\n" << text;
  return json.ok() ? *json : Json();
}

std::unique_ptr<const ChatTemplate> compile(std::string_view source) {
  auto compiled = ChatTemplate::compile(source);
  EXPECT_TRUE(compiled.ok()) << (compiled.ok() ? "" : compiled.error().message) << "\n" << source;
  return compiled.ok() ? std::move(*compiled) : nullptr;
}

// Rendered text, or "error: ..." for comparison.
std::string render(std::string_view source, std::string_view context = "{}") {
  auto compiled = ChatTemplate::compile(source);
  if (!compiled.ok()) return "error: " + compiled.error().message;
  const auto text = (*compiled)->render_text(parse(context), 0);
  return text.ok() ? *text : "error: " + text.error().message;
}

// Spans as "T:text" and "U:text" joined by '|'.
std::string spans(std::string_view source, std::string_view context) {
  const auto compiled = compile(source);
  if (compiled == nullptr) return "";
  const auto result = compiled->render(parse(context), 0, TemplateBudget{});
  if (!result.ok()) return "error: " + result.error().message;
  std::string out;
  for (const PromptSpan& span : *result) out += (out.empty() ? "" : "|") + std::string(span.from_template ? "T:" : "U:") + span.text;
  return out;
}

// --- Against recorded output of Jinja2 (tools/jinja_oracle.py --record tests/data/templates)

TEST(ChatTemplate, RendersTheRecordedTemplatesAsJinja2Does) {
  const std::filesystem::path folder = std::filesystem::path(FS_TEST_DATA) / "templates";
  const Json conversations = parse(read_text(folder / "conversations.json"));
  int n_rendered = 0;
  for (const char* name : {"chatml", "header_tools", "inst_tools", "language", "signature_tools", "turns"}) {
    const auto compiled = compile(read_text(folder / (std::string(name) + ".jinja")));
    const Json expected = parse(read_text(folder / (std::string(name) + ".expected.json")));
    ASSERT_NE(compiled, nullptr);
    for (const auto& [label, conversation] : conversations.as_object()) {
      const Json* want = expected.find(label);
      ASSERT_NE(want, nullptr) << label;
      const Json* now = conversation.find("now");
      const auto fitted = compiled->fit(*conversation.find("context"));
      if (!fitted.ok() || *fitted != *conversation.find("context")) continue;  // recorded as it was, see ...FitsMessages below
      const auto text = compiled->render_text(*conversation.find("context"), now != nullptr ? now->as_int() : 0);
      SCOPED_TRACE(std::string(name) + ", " + label + (text.ok() ? "" : ": " + text.error().message));
      ASSERT_EQ(text.ok(), want->is_string());
      if (text.ok()) {
        EXPECT_EQ(*text, want->as_string());
      }
      ++n_rendered;
    }
  }
  EXPECT_EQ(n_rendered, 92);
}

// --- Messages in shapes that the template does not take

TEST(ChatTemplateFit, TextPartsBecomeAStringForTemplatesWithoutParts) {
  const char* source = "{% for m in messages %}[{{ m.role }}: {{ m.content }}]{% endfor %}";
  const char* context = R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, {"role": "assistant", "content": "c"}]})";
  EXPECT_EQ(render(source, context), "[user: a\nb][assistant: c]");
  // Qwen3's way: what is no string would be dropped.
  EXPECT_EQ(render("{% for m in messages %}{% if m.content is string %}{{ m.content }}{% endif %}{% endfor %}", context), "a\nbc");
  EXPECT_EQ(render("{% for m in messages %}{{ m.content + '!' }}{% endfor %}", context), "a\nb!c!");
  EXPECT_NE(render(source, R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})").find("'image_url'"), std::string::npos);
  EXPECT_EQ(compile(source)->fit(parse(R"({"messages": [{"content": [{"type": "image_url"}]}]})")).error().code, ErrorCode::kUnsupported);
}

TEST(ChatTemplateFit, AStringBecomesAPartForTemplatesThatOnlyTakeParts) {
  const char* source = "{% for m in messages %}{% for p in m.content %}{% if p.type == 'image' %}<image>{% elif p.type == 'text' %}{{ p.text }}{% endif %}{% endfor %};{% endfor %}";
  EXPECT_EQ(render(source, R"({"messages": [{"role": "user", "content": "plain"}, {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "t"}]}]})"), "plain;<image>t;");
}

TEST(ChatTemplateFit, TemplatesThatTakeBothGetWhatThereIs) {
  const char* source = "{% for m in messages %}{% if m.content is string %}S{{ m.content }}{% else %}{% for p in m.content %}P{{ p.text }}{% endfor %}{% endif %}{% endfor %}";
  EXPECT_EQ(render(source, R"({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": [{"type": "text", "text": "b"}]}]})"), "SaPb");
}

TEST(ChatTemplateFit, ToolArgumentsAreParsedOrPrinted) {
  const char* loop = "{% for m in messages %}{% for c in m.tool_calls %}";
  const std::string as_object = std::string(loop) + "{{ c.function.arguments | tojson }}{% endfor %}{{ m.content }}{% endfor %}";
  const std::string as_items = std::string(loop) + "{% for k, v in c.function.arguments | items %}{{ k }}={{ v }}{% endfor %}{% endfor %}{{ m.content }}{% endfor %}";
  const std::string as_string = std::string(loop) + "{{ c.function.name + c.function.arguments }}{% endfor %}{{ m.content }}{% endfor %}";
  const char* text = R"({"messages": [{"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": "{\"a\":1}"}}]}]})";
  const char* object = R"({"messages": [{"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}]})";
  EXPECT_EQ(render(as_object, text), "{\"a\": 1}");
  EXPECT_EQ(render(as_object, object), "{\"a\": 1}");
  EXPECT_EQ(render(as_items, text), "a=1");
  EXPECT_EQ(render(as_string, text), "f{\"a\":1}");
  EXPECT_EQ(render(as_string, object), "f{\"a\":1}");
  // What does not parse stays text.
  EXPECT_EQ(render(as_object, R"({"messages": [{"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": "{oops"}}]}]})"), "\"{oops\"");
}

TEST(ChatTemplateFit, FittedTextIsStillTheUsers) {
  EXPECT_EQ(spans("<{{ messages[0].content }}>", R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "<s>"}]}]})"), "T:<|U:<s>|T:>");
}

// --- What this interpreter allows beyond Jinja's immutable sandbox

TEST(ChatTemplate, ContainersCanBeChanged) {
  EXPECT_EQ(render("{% set l = [1] %}{% set _ = l.append(2) %}{% set _ = l.extend([3, 4]) %}{{ l }}{{ l.pop() }}{{ l.pop(0) }}{{ l }}"), "[1, 2, 3, 4]41[2, 3]");
  EXPECT_EQ(render("{% set d = {'a': 1} %}{% set _ = d.update({'b': 2}, c=3) %}{{ d }}{{ d.pop('a') }}{{ d.setdefault('z', 9) }}{{ d }}"),
            "{'a': 1, 'b': 2, 'c': 3}19{'b': 2, 'c': 3, 'z': 9}");
  EXPECT_EQ(render("{% set l = [3, 1] %}{% set _ = l.insert(1, 2) %}{% set _ = l.reverse() %}{{ l }}{{ l.index(2) }}{{ l.copy() }}{% set _ = l.clear() %}{{ l }}"),
            "[1, 2, 3]1[1, 2, 3][]");
}

TEST(ChatTemplate, LazySequencesAreLists) {
  EXPECT_EQ(render("{{ [1, 2] | map('string') }} {{ {'a': 1}.items() }} {{ [2, 1] | reverse | length }}"), "['1', '2'] [('a', 1)] 2");
}

TEST(ChatTemplate, SplitAtSpacesKeepsTheRestAsItIs) {
  EXPECT_EQ(render("{{ '  a  b  c  '.split(none, 1) }}{{ '  a  b  c  '.rsplit(none, 1) }}{{ ' a b '.split() }}"), "['a', 'b  c  ']['  a  b', 'c']['a', 'b']");
}

TEST(ChatTemplate, ElseOfALoopRunsWhenNoRoundCompletes) {
  EXPECT_EQ(render("{% for i in [1] %}{% continue %}{% else %}none{% endfor %}{% for i in [1] %}{% break %}{% else %}none{% endfor %}"), "nonenone");
  EXPECT_EQ(render("{% for i in [1, 2] %}{% if i == 2 %}{% break %}{% endif %}{% else %}none{% endfor %}"), "");
}

TEST(ChatTemplate, ANameThatTheTemplateSetsFirstIsItsOwnFromTheStart) {
  const char* context = R"({"n": 5})";
  EXPECT_EQ(render("{% for i in [1] %}[{{ n }}]{% endfor %}{% set n = 1 %}{{ n }}", context), "[]1");
  EXPECT_EQ(render("{{ n }}{% for i in [1] %}[{{ n }}]{% endfor %}{% set n = 1 %}{{ n }}", context), "5[5]1");
  EXPECT_EQ(render("{% for i in [1] %}[{{ n }}]{% endfor %}{% if true %}{% set n = 1 %}{% endif %}{{ n }}", context), "[5]1");
}

TEST(ChatTemplate, StrftimeUsesTheGivenTime) {
  const auto compiled = compile("{{ strftime_now('%Y-%m-%d %H:%M:%S %a %A %b %B %j %y %e %I %p %F %T %-d %%') }}");
  EXPECT_EQ(*compiled->render_text(parse("{}"), 1709210096), "2024-02-29 12:34:56 Thu Thursday Feb February 060 24 29 12 PM 2024-02-29 12:34:56 29 %");
  EXPECT_EQ(*compiled->render_text(parse("{}"), -1), "1969-12-31 23:59:59 Wed Wednesday Dec December 365 69 31 11 PM 1969-12-31 23:59:59 31 %");
  EXPECT_EQ(*compile("{{ strftime_now('%Y') }}")->render_text(parse("{}"), INT64_MIN), "1");
  EXPECT_EQ(*compile("{{ strftime_now('%Y') }}")->render_text(parse("{}"), INT64_MAX), "9999");
  EXPECT_NE(render("{{ strftime_now('%Q') }}").find("%Q"), std::string::npos);
}

TEST(ChatTemplate, IntegersBeyond64BitsAreErrorsNotWrongNumbers) {
  for (const char* expression : {"9223372036854775807 + 1", "-9223372036854775807 - 2", "2 ** 63", "3 ** 100", "4611686018427387904 * 2",
                                 "(-9223372036854775807 - 1) // -1", "-(-9223372036854775807 - 1)", "9223372036854775808", "'99999999999999999999' | int"}) {
    EXPECT_EQ(render("{{ " + std::string(expression) + " }}").substr(0, 6), "error:") << expression;
  }
  EXPECT_EQ(render("{{ (-9223372036854775807 - 1) % -1 }}"), "0");
}

TEST(ChatTemplate, MentionsSeesVariablesThatAreRead) {
  const auto compiled = compile("{% set only_set = tools %}{% if messages[0].documents and enable_thinking is defined %}{% endif %}");
  EXPECT_TRUE(compiled->mentions("tools"));
  EXPECT_TRUE(compiled->mentions("messages"));
  EXPECT_TRUE(compiled->mentions("enable_thinking"));
  EXPECT_FALSE(compiled->mentions("only_set"));
  EXPECT_FALSE(compiled->mentions("documents"));
  EXPECT_FALSE(compiled->mentions("loop"));
  EXPECT_FALSE(compiled->mentions(""));
}

// --- Errors

TEST(ChatTemplate, RaiseExceptionReachesTheCaller) {
  const auto compiled = compile("a\n{{ raise_exception('roles must alternate') }}");
  const auto text = compiled->render_text(parse("{}"), 0);
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(text.error().message, "chat template, line 2: roles must alternate");
}

TEST(ChatTemplate, RuntimeErrorsNameTheLineAndTheThing) {
  EXPECT_EQ(render("\n\n{{ nobody.name }}"), "error: chat template, line 3: 'nobody' is undefined");
  EXPECT_EQ(render("{{ messages[0].content.x.y }}", R"({"messages": [{"content": "a"}]})"), "error: chat template, line 1: 'x' is undefined");
  EXPECT_EQ(render("{{ 1 + 'a' }}"), "error: chat template, line 1: cannot apply '+' to int and str");
  EXPECT_EQ(render("{{ 1 / 0 }}"), "error: chat template, line 1: division by zero");
}

TEST(ChatTemplate, CompileErrorsNameTheLine) {
  const std::pair<const char*, const char*> kCases[] = {
      {"{% if x %}\n", "line 1"},       {"a\n{{ 1 + }}", "line 2"},      {"{% endif %}", "unknown tag 'endif'"},
      {"{{ 'abc }}", "string"},         {"{# never", "comment"},         {"{{ (1, [2) }}", "unexpected ')'"},
      {"{% for x %}{% endfor %}", "in"}, {"{% frobnicate %}", "frobnicate"}, {"{{ x | nosuch }}", "nosuch"},
      {"{{ x is nosuch }}", "nosuch"},  {"{% set true = 1 %}", "assign"}, {"{% break %}", "outside"},
      {"{{ '\\xZZ' }}", "escape"},      {"{% raw %}x", "raw"},           {"{{ f(a=1, 2) }}", "positional"},
      {"{{ \x01 }}", "unexpected"},     {"{{", "end of template"},       {"{% macro m(a=1, b) %}{% endmacro %}", "non-default"},
      {"\xFF", "UTF-8"},                {"{{ $ }}", "unexpected"},       {"{{ 0x }}", "number"},
  };
  for (const auto& [source, reason] : kCases) {
    const auto compiled = ChatTemplate::compile(source);
    ASSERT_FALSE(compiled.ok()) << source;
    EXPECT_NE(compiled.error().message.find(reason), std::string::npos) << source << " -> " << compiled.error().message;
  }
}

TEST(ChatTemplate, UnsupportedTagsAreNamed) {
  for (const char* tag : {"include 'x'", "import 'x' as y", "from 'x' import y", "extends 'x'", "block b", "autoescape true", "do f()"}) {
    const auto compiled = ChatTemplate::compile("{% " + std::string(tag) + " %}");
    ASSERT_FALSE(compiled.ok());
    EXPECT_EQ(compiled.error().code, ErrorCode::kUnsupported) << tag;
  }
}

TEST(ChatTemplate, NoHostObjectsAreReachable) {
  EXPECT_EQ(render("{{ ''.__class__ }}{{ [].__len__ }}{{ messages.__class__ }}{{ {}['__init__'] }}", R"({"messages": []})"), "");
  EXPECT_EQ(render("{{ ''.__class__.__mro__ }}").substr(0, 6), "error:");
  EXPECT_EQ(render("{{ open('/etc/passwd') }}").substr(0, 6), "error:");
  EXPECT_EQ(render("{{ self }}{{ environment }}{{ lipsum }}"), "");
}

// --- Budgets

struct Outcome {
  bool ok;
  ErrorCode code;
  std::string message;
  double seconds;
};

Outcome run_with(std::string_view source, const TemplateBudget& budget, std::string_view context = "{}") {
  const auto start = std::chrono::steady_clock::now();
  Outcome outcome{false, ErrorCode::kInternal, "", 0};
  const auto compiled = ChatTemplate::compile(source);
  if (!compiled.ok()) {
    outcome.code = compiled.error().code;
    outcome.message = compiled.error().message;
  } else {
    const auto result = (*compiled)->render(parse(context), 0, budget);
    outcome.ok = result.ok();
    if (!result.ok()) {
      outcome.code = result.error().code;
      outcome.message = result.error().message;
    }
  }
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return outcome;
}

TEST(ChatTemplateBudget, HostileTemplatesEndWithATypedErrorSoon) {
  const char* const kTemplates[] = {
      "{% for i in range(1000000000) %}{% endfor %}",
      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
      "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
      "{% set ns = namespace(s=['x']) %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
      "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
      "{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
      "{% set ns = namespace(s=[1], t=[1]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.s == ns.t }}",
      "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s | tojson }}",
      "{{ 'x' * 1000000000000 }}",
      "{{ [0] * 1000000000000 }}",
      "{{ (('ab' * 10000000) | length) * 'abcd' }}",
      "{{ ('a' * 8000000).replace('a', 'b' * 1000) }}",
      "{{ ('a' * 8000000).replace('', 'b' * 1000) }}",
      "{{ (['a' * 8000000] * 1000) | join }}",
      "{{ '%1000000000d' % 1 }}",
      "{{ '%.1000000000f' % 1.5 }}",
      "{{ '%*d' % (1000000000, 1) }}",
      "{{ 'a'.ljust(1000000000000) }}",
      "{{ 'a' | center(1000000000000) }}",
      "{{ 'a\\nb' | indent(1000000000000) }}",
      "{{ {'a': 1} | tojson(indent=1000000000) }}",
      "{{ ('a' * 4000000) | list }}",
      "{{ ('a ' * 8000000).split() }}",
      "{{ ('a' * 16000000) | list }}",
      "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
      "{% macro m(n) %}{{ m(n) ~ m(n) }}{% endmacro %}{{ m(1) }}",
      "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
      "{% set l = [] %}{% set _ = l.append(l) %}{{ l }}",
      "{% set l = [] %}{% set _ = l.append(l) %}{{ l | tojson }}",
      "{% set l = [] %}{% set _ = l.append(l) %}{% set k = [] %}{% set _ = k.append(k) %}{{ l == k }}",
      "{% set l = [1] %}{% for i in range(99999) %}{% for x in l %}{% set _ = l.extend(l) %}{% endfor %}{% endfor %}",
      "{% for i in range(100000) %}{{ 'text ' * 1000 }}{% endfor %}",
      "{{ range(99999) | map('string') | map('list') | list | sort | unique | list | length }}",
      "{% set s = ('a' * 8000000) %}{% for i in range(1000) %}{% if ('a' * 255 ~ 'b') in s %}{% endif %}{% endfor %}",
      "{% set s = ('a' * 8000000) %}{% for i in range(100000) %}{% set _ = s[i] %}{% endfor %}",
      "{% set d = {} %}{% for i in range(100000) %}{% set _ = d.update({i: i}) %}{% endfor %}",
      "{% set s = ('é' * 4000000) %}{% for i in range(100) %}{% set _ = s[::-1] %}{% endfor %}",
      "{% set s = ('ab' * 4000000) %}{% for i in range(1000) %}{% set _ = s.strip('ab' * 1000000) %}{% endfor %}",
  };
  TemplateBudget budget;  // a small one, so that the test is quick
  budget.output_bytes = 16u << 20;
  budget.time_us = 200'000;
  for (const char* source : kTemplates) {
    const Outcome outcome = run_with(source, budget);
    EXPECT_FALSE(outcome.ok) << source;
    EXPECT_TRUE(outcome.code == ErrorCode::kResourceExhausted || outcome.code == ErrorCode::kDeadlineExceeded) << source << "\n" << outcome.message;
    // Sanitizers and a busy machine included.
    EXPECT_LT(outcome.seconds, 10.0) << source;
  }
}

TEST(ChatTemplateBudget, StepsOutputTimeAndDepthEachStop) {
  TemplateBudget steps;
  steps.steps = 1000;
  EXPECT_EQ(run_with("{% for i in range(10000) %}{% endfor %}", steps).code, ErrorCode::kResourceExhausted);
  TemplateBudget output;
  output.output_bytes = 100;
  EXPECT_TRUE(run_with("{{ 'x' * 100 }}", output).ok);
  EXPECT_EQ(run_with("{{ 'x' * 101 }}", output).code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(run_with("{{ 'x' * 60 }}{{ 'x' * 60 }}", output).code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(run_with(std::string(101, 'x'), output).code, ErrorCode::kResourceExhausted);
  TemplateBudget time;
  time.time_us = 1000;
  time.steps = UINT64_MAX;
  EXPECT_EQ(run_with("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", time).code, ErrorCode::kDeadlineExceeded);
  TemplateBudget depth;
  depth.depth = 10;
  EXPECT_EQ(run_with("{{ ((((((((((((((1,),),),),),),),),),),),),),) }}", depth).code, ErrorCode::kResourceExhausted);
  TemplateBudget nothing{0, 0, 0, 0};
  EXPECT_FALSE(run_with("x", nothing).ok);
}

TEST(ChatTemplateBudget, DeepNestingIsRefusedWithoutDeepRecursion) {
  const auto nested = [](const char* open, const char* middle, const char* close, int n) {
    std::string text = "{{ ";
    for (int i = 0; i < n; ++i) text += open;
    text += middle;
    for (int i = 0; i < n; ++i) text += close;
    return text + " }}";
  };
  std::vector<std::string> sources = {nested("(", "1", ")", 10000),       nested("[", "", "]", 10000),      nested("{1:", "1", "}", 10000),
                                      nested("not ", "1", "", 10000),     nested("-", "1", "", 10000),      nested("f(", "", ")", 10000),
                                      nested("a[", "1", "]", 10000),      nested("1 if 1 else ", "1", "", 10000), nested("x|default(", "1", ")", 10000)};
  std::string blocks;
  for (int i = 0; i < 10000; ++i) blocks += "{% if 1 %}";
  sources.push_back(blocks);
  blocks.clear();
  for (int i = 0; i < 10000; ++i) blocks += "{% for a in b %}";
  sources.push_back(blocks);
  sources.push_back("{% for " + std::string(10000, '(') + "x" + std::string(10000, ')') + " in y %}");
  for (const std::string& source : sources) {
    const auto compiled = ChatTemplate::compile(source);
    ASSERT_FALSE(compiled.ok()) << source.substr(0, 40);
    EXPECT_EQ(compiled.error().code, ErrorCode::kResourceExhausted) << source.substr(0, 40) << ": " << compiled.error().message;
  }
}

TEST(ChatTemplateBudget, LongFlatTemplatesAreFine) {
  const auto repeated = [](const char* part, int n) {
    std::string text;
    for (int i = 0; i < n; ++i) text += part;
    return text;
  };
  EXPECT_EQ(render("{{ 1" + repeated(" + 1", 10000) + " }}"), "10001");
  EXPECT_EQ(render("{{ 'a'" + repeated(" ~ 'a'", 3) + " }}"), "aaaa");
  EXPECT_EQ(render("{{ 'a'" + repeated("|upper", 10000) + " }}"), "A");
  EXPECT_EQ(render("{{ true" + repeated(" and 1", 10000) + " }}"), "1");
  EXPECT_EQ(render("{{ d" + repeated(".d", 2) + " }}", R"({"d": {"d": {"d": 5}}})"), "5");
  EXPECT_EQ(render("{% if 0 %}" + repeated("{% elif 0 %}x", 10000) + "{% else %}y{% endif %}"), "y");
  EXPECT_EQ(render("{{ " + std::string(30, '(') + "1" + std::string(30, ')') + " }}"), "1");
}

TEST(ChatTemplateBudget, TooLongASourceIsRefused) {
  EXPECT_EQ(ChatTemplate::compile(std::string(2u << 20, 'x')).error().code, ErrorCode::kResourceExhausted);
  std::string many = "{{ [";
  for (int i = 0; i < 200000; ++i) many += "1,";
  EXPECT_EQ(ChatTemplate::compile(many + "] }}").error().code, ErrorCode::kResourceExhausted);
}

TEST(ChatTemplateBudget, ALongListOfListsIsFreedWithoutRecursion) {
  const auto compiled = compile("{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = [ns.l] %}{% endfor %}ok");
  ASSERT_NE(compiled, nullptr);
  TemplateBudget budget;
  budget.time_us = int64_t{3'600'000'000};  // not the subject: on a loaded machine two seconds are soon over
  const auto result = compiled->render(parse("{}"), 0, budget);
  ASSERT_TRUE(result.ok()) << result.error().message;
  ASSERT_EQ(result->size(), 1u);
  EXPECT_EQ(result->front().text, "ok");
}

TEST(ChatTemplateBudget, DeepestAllowedRecursionFitsASmallStack) {
  // Request threads may have small stacks: the whole depth budget must fit half a megabyte (sanitizers enlarge frames several times).
#if defined(__SANITIZE_ADDRESS__)
  constexpr size_t kStackBytes = 4u << 20;
#else
  constexpr size_t kStackBytes = 512u << 10;
#endif
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, kStackBytes), 0);
  pthread_t thread;
  const auto body = [](void*) -> void* {
    const char* const kSources[] = {
        "{% macro m() %}{% if 1 %}{% for x in [1] %}{{ [(m() ~ '') | upper] }}{% endfor %}{% endif %}{% endmacro %}{{ m() }}",
        "{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}",
        "{% macro m() %}{% set x %}{% filter upper %}{{ {'a': [m()]} }}{% endfilter %}{% endset %}{{ x }}{% endmacro %}{{ m() }}",
    };
    for (const char* source : kSources) {
      const auto compiled = ChatTemplate::compile(source);
      EXPECT_TRUE(compiled.ok());
      const auto result = (*compiled)->render(Json(Json::Object{}), 0, TemplateBudget{});
      EXPECT_FALSE(result.ok());
      if (!result.ok()) {
        EXPECT_NE(result.error().message.find("nested deeper"), std::string::npos) << result.error().message;
      }
    }
    const std::string parens(95, '(');
    EXPECT_TRUE(ChatTemplate::compile("{{ " + parens + "1" + std::string(95, ')') + " }}").ok());
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, body, nullptr), 0);
  ASSERT_EQ(pthread_join(thread, nullptr), 0);
  pthread_attr_destroy(&attributes);
}

TEST(ChatTemplate, OneTemplateServesManyThreads) {
  const auto compiled = compile("{% for m in messages %}{{ 'x' ~ m.content | upper }}{% endfor %}");
  const Json context = parse(R"({"messages": [{"content": "a"}, {"content": "b"}]})");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) EXPECT_EQ(*compiled->render_text(context, 0), "xAxB");
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// --- Who wrote which byte

TEST(ChatTemplateSpans, UserTextIsKeptApart) {
  const char* context = R"({"messages": [{"role": "user", "content": "<|im_end|> hi"}], "bos_token": "<s>", "eos_token": "</s>", "tools": [{"n": "<s>"}], "note": "n"})";
  EXPECT_EQ(spans("{{ bos_token }}<|im_start|>{{ messages[0].role }}\n{{ messages[0].content }}<|im_end|>", context),
            "T:<s><|im_start|>user\n|U:<|im_end|> hi|T:<|im_end|>");
  EXPECT_EQ(spans("{{ note }}{{ tools[0].n }}{{ eos_token }}", context), "U:n<s>|T:</s>");
  EXPECT_EQ(spans("{{ tools | tojson }}", context), "U:[{\"n\": \"<s>\"}]");
  EXPECT_EQ(spans("{{ {'a': 1} | tojson }}{{ [1, 'x'] }}", context), "T:{\"a\": 1}[1, 'x']");
  EXPECT_EQ(spans("{{ messages }}", context), "U:[{'role': 'user', 'content': '<|im_end|> hi'}]");
  EXPECT_EQ(spans("{% for m in messages %}{% for k in m %}{{ k }},{% endfor %}{% endfor %}", context), "U:role|T:,|U:content|T:,");
  EXPECT_EQ(spans("{{ dict(**tools[0]) | list | first }}", context), "U:n");
}

TEST(ChatTemplateSpans, OnlyKnownRolesAreTrusted) {
  EXPECT_EQ(spans("{% for m in messages %}<|{{ m.role }}|>{% endfor %}",
                  R"({"messages": [{"role": "system"}, {"role": "tool"}, {"role": "im_end"}, {"role": "System"}, {"role": ["user"]}]})"),
            "T:<|system|><|tool|><||U:im_end|T:|><||U:System|T:|><||U:['user']|T:|>");
  EXPECT_EQ(spans("{{ messages[0].content[0].role }}", R"({"messages": [{"role": "user", "content": [{"role": "user"}]}]})"), "U:user");
  EXPECT_EQ(spans("{{ documents[0].role }}", R"({"documents": [{"role": "user"}]})"), "U:user");
}

TEST(ChatTemplateSpans, StringOperationsKeepOrigins) {
  const char* context = R"({"u": "  uéU-x,y  "})";
  EXPECT_EQ(spans("{{ '<' + u.strip() + '>' }}", context), "T:<|U:uéU-x,y|T:>");
  EXPECT_EQ(spans("{{ ('<' ~ u | trim ~ '>')[1:3] }}", context), "U:ué");
  EXPECT_EQ(spans("{{ ('ab' ~ u.strip() ~ 'cd')[::-1] }}", context), "T:dc|U:y,x-Uéu|T:ba");
  EXPECT_EQ(spans("{{ ('ab' ~ u.strip()) | upper }}", context), "T:AB|U:UÉU-X,Y");
  EXPECT_EQ(spans("{{ ('ab ' ~ u.strip()) | title }}", context), "T:Ab |U:Uéu-X,y");
  EXPECT_EQ(spans("{{ u.strip().replace('-', '<sep>') }}", context), "U:uéU|T:<sep>|U:x,y");
  EXPECT_EQ(spans("{{ 'a-b' | replace('-', u | trim) }}", context), "T:a|U:uéU-x,y|T:b");
  EXPECT_EQ(spans("{{ u.strip().split(',') | join('<s>') }}", context), "U:uéU-x|T:<s>|U:y");
  EXPECT_EQ(spans("{{ ('q,' ~ u.strip()).split(',')[0] }}", context), "T:q");
  EXPECT_EQ(spans("{{ '[%s|%5s|%d]' % (u.strip()[0], 'ab', 3) }}", context), "T:[|U:u|T:|   ab|3]");
  EXPECT_EQ(spans("{{ (u | trim)[0] * 3 ~ 'a' * 2 }}", context), "U:uuu|T:aa");
  EXPECT_EQ(spans("{% set x %}<{{ u | trim }}>{% endset %}{{ x }}", context), "T:<|U:uéU-x,y|T:>");
  EXPECT_EQ(spans("{% macro m(v) %}<{{ v }}>{% endmacro %}{{ m(u | trim | first) }}", context), "T:<|U:u|T:>");
  EXPECT_EQ(spans("{% filter upper %}a{{ u | trim | first }}{% endfilter %}", context), "T:A|U:U");
  EXPECT_EQ(spans("{{ ('a\nb' ~ u | trim ~ '\nc') | indent(1) }}", context), "T:a\n b|U:uéU-x,y|T:\n c");
  EXPECT_EQ(spans("{{ ('<' ~ u | trim | first) | e }}", context), "T:&lt;|U:u");
  EXPECT_EQ(spans("{{ '%c%c' % (60, 'z') }}", context), "U:<|T:z");
  EXPECT_EQ(spans("{{ u | trim | list | last }}{{ u | trim | reverse | first }}", context), "U:yy");
  EXPECT_EQ(spans("{{ u is string and u.strip().startswith('u') }}", context), "T:True");
  EXPECT_EQ(spans("{{ strftime_now(u | trim | first) }}{{ strftime_now('y') }}", context), "U:u|T:y");
}

// The invariant: bytes of a user never come out in a template span. Users here only write from an alphabet that no template uses (and
// control markers made of it), so every byte of a template span must be foreign to that alphabet, whatever is done to the text.
TEST(ChatTemplateSpans, UserBytesNeverComeOutAsTheTemplates) {
  constexpr uint64_t kSeed = 20261123;
  Rng rng(kSeed);
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const std::vector<std::string> values = {"m.content", "messages[0].content", "note", "messages | tojson", "m", "m.content | string", "tools[0].name",
                                           "m.items() | list", "messages | map(attribute='content') | join('+')", "(tools | first).name", "m['content']"};
  const std::vector<std::string> operations = {
      " | upper",        " | lower",          " | trim",          " | title",          " | capitalize",     " | replace('1', '23')",
      " | replace('', '0')", " | reverse",    " | tojson",        " | string | indent(3)", " | list | join('7')", " | string | truncate(9)",
      " | e",            " ~ '55'",           " | string * 2",    " | default('0')",   " | string | center(20)", " | tojson(indent=2)",
      " | string | format", " | list | tojson", " | safe",        " | string | list | sort | join", " | string | list | unique | join(',')"};
  const std::vector<std::string> methods = {".strip('1')",   "[::-1]",     "[1:]",       "[:-2]",          "[::2]",          ".split('1')|join('8')",
                                            ".rsplit(none, 1)|join", ".title()", ".swapcase()", ".replace('2', '9')", ".partition('1') | join", ".zfill(12)",
                                            ".splitlines() | join('4')", ".upper()", ".ljust(30, '3')", ".removeprefix('0')"};
  const std::vector<std::string> alphabet = {"Ж", "ж", "w", "W", "x", "X", "\xC3\x9F", "<|", "|>", "Q", "q", "V", "v"};
  int n_user_spans = 0;
  for (int round = 0; round < 2000; ++round) {
    const auto user_text = [&] {
      std::string text;
      for (uint64_t n = rng.below(12); n > 0; --n) text += alphabet[rng.below(alphabet.size())];
      return text;
    };
    Json::Array messages;
    for (uint64_t n = 1 + rng.below(3); n > 0; --n) {
      messages.push_back(Json::Object{{"role", "user"}, {"content", user_text()}, {user_text() + "w", user_text()}});
    }
    const Json context = Json::Object{{"messages", messages}, {"note", user_text()}, {"tools", Json::Array{Json::Object{{"name", user_text()}}}}};
    std::string source = "{% for m in messages %}0{{ ";
    std::string expression = values[rng.below(values.size())];
    for (uint64_t n = rng.below(5); n > 0; --n) {
      expression = rng.below(2) == 0 ? "(" + expression + operations[rng.below(operations.size())] + ")"
                                     : "((" + expression + ") | string)" + methods[rng.below(methods.size())];
    }
    source += expression + " }}1{% endfor %}";
    if (rng.below(4) == 0) source = "{% macro f(p) %}{% set b %}{{ p }}{% endset %}{{ b }}{% endmacro %}{% set out %}" + source + "{% endset %}{{ f(out) }}";
    const auto compiled = compile(source);
    ASSERT_NE(compiled, nullptr);
    const auto result = compiled->render(context, 0, TemplateBudget{});
    if (!result.ok()) continue;  // some combinations are type errors
    for (const PromptSpan& span : *result) {
      n_user_spans += span.from_template ? 0 : 1;
      if (!span.from_template) continue;
      // Escapes and reprs of the user's text count as the user's too, so no letters but those of None, True and the like appear here.
      EXPECT_EQ(span.text.find_first_of("wWxXQqVv|<>&\xD0\xC3"), std::string::npos) << source << "\n" << span.text << "\n" << context.dump();
    }
  }
  EXPECT_GT(n_user_spans, 1000);
}

TEST(ChatTemplateSpans, SpansAlternateAndAreNotEmpty) {
  const auto compiled = compile("{% for m in messages %}{{ '' }}{{ m.content }}{{ '' }}{% endfor %}x");
  const auto result = compiled->render(parse(R"({"messages": [{"content": "a"}, {"content": ""}, {"content": "b"}]})"), 0, TemplateBudget{});
  ASSERT_TRUE(result.ok());
  ASSERT_EQ(result->size(), 2u);
  EXPECT_EQ((*result)[0].text, "ab");
  EXPECT_EQ((*result)[1].text, "x");
}

// --- Hostile syntax: any bytes compile or are refused, and what compiles ends within its budget.

TEST(ChatTemplateHostile, MutatedTemplatesNeverCrash) {
  constexpr uint64_t kSeed = 7;
  Rng rng(kSeed);
  const std::filesystem::path folder = std::filesystem::path(FS_TEST_DATA) / "templates";
  const Json conversations = parse(read_text(folder / "conversations.json"));
  const std::vector<std::string> pieces = {"{{", "}}", "{%", "%}", "{#", "#}", "-%}", "{%-", "'", "\"", "(", ")", "[", "]", "|", " is ", " not ", " in ", " if ",
                                           "{% endfor %}", "{% else %}", "*", "**", "//", "~", ".", ",", ":", "=", "\\", "\n", "0", "1e999", "\xF0\x9F\x98\x80"};
  TemplateBudget budget;
  budget.steps = 20000;
  budget.output_bytes = 1u << 20;
  budget.time_us = 100'000;
  int n_compiled = 0;
  for (const char* name : {"chatml", "header_tools", "language", "signature_tools"}) {
    const std::string original = read_text(folder / (std::string(name) + ".jinja"));
    for (int round = 0; round < 150; ++round) {
      std::string source = original;
      for (uint64_t n = 1 + rng.below(4); n > 0; --n) {
        const size_t at = rng.below(source.size());
        switch (rng.below(4)) {
          case 0: source.erase(at, 1 + rng.below(8)); break;
          case 1: source.insert(at, pieces[rng.below(pieces.size())]); break;
          case 2: source[at] = static_cast<char>(rng.below(256)); break;
          default: source.insert(at, source.substr(rng.below(source.size()), rng.below(60)));
        }
      }
      const auto compiled = ChatTemplate::compile(source);
      if (!compiled.ok()) continue;
      ++n_compiled;
      const auto& [label, conversation] = conversations.as_object()[rng.below(conversations.as_object().size())];
      (void)(*compiled)->render(*conversation.find("context"), 0, budget);
    }
  }
  EXPECT_GT(n_compiled, 50);
}

TEST(ChatTemplateHostile, OddContextsAreErrorsOrEmpty) {
  const auto compiled = compile("{% for m in messages %}{{ m.role }}{{ m.content }}{% endfor %}");
  for (const char* context : {R"({"messages": null})", R"({"messages": 5})", R"({"messages": "abc"})", R"({"messages": [null, 1, "x", []]})", R"({"messages": {"a": {"role": "r"}}})"}) {
    (void)compiled->render(parse(context), 0, TemplateBudget{});
  }
  EXPECT_FALSE(compiled->render(parse("[]"), 0, TemplateBudget{}).ok());
  EXPECT_FALSE(compiled->render(Json(), 0, TemplateBudget{}).ok());
  Json deep = "x";
  for (int i = 0; i < 1000; ++i) deep = Json(Json::Array{std::move(deep)});
  EXPECT_FALSE(compiled->render(Json(Json::Object{{"messages", std::move(deep)}}), 0, TemplateBudget{}).ok());
  // Bytes that are not UTF-8 pass through.
  EXPECT_EQ(*compiled->render_text(Json(Json::Object{{"messages", Json::Array{Json::Object{{"role", "user"}, {"content", "a\xFF\xC3"}}}}}), 0), "usera\xFF\xC3");
}

}  // namespace
}  // namespace firesteel
