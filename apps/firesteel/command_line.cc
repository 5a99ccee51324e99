#include "command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "base/edit_distance.h"
#include "base/json.h"

namespace firesteel {
namespace {

CLI::Option* with_env(CLI::Option* option, const char* env) {
  if (env != nullptr) option->envname(env);
  return option;
}

// The command the user meant: the innermost one that was named.
const CLI::App* innermost(const CLI::App* app) {
  for (;;) {
    const auto named = app->get_subcommands();  // those that were parsed
    if (named.empty()) return app;
    app = named.front();
  }
}

std::string full_name(const CLI::App* app) {
  std::string name = app->get_name();
  for (const CLI::App* parent = app->get_parent(); parent != nullptr; parent = parent->get_parent()) name = parent->get_name() + " " + name;
  return name;
}

std::string describe_extra(const CLI::App* app, std::string extra) {
  std::vector<std::string> candidates;
  if (extra.starts_with("-") && extra.size() > 1) {
    extra = extra.substr(0, extra.find('='));
    for (const CLI::Option* option : app->get_options()) {
      for (const std::string& name : option->get_lnames()) candidates.push_back("--" + name);
      for (const std::string& name : option->get_snames()) candidates.push_back("-" + name);
    }
    const std::string near = nearest(extra, candidates);
    return full_name(app) + " has no option " + extra + (near.empty() ? "" : "; did you mean " + near + "?");
  }
  for (const CLI::App* sub : app->get_subcommands([](const CLI::App*) { return true; })) candidates.push_back(sub->get_name());
  if (candidates.empty()) return full_name(app) + " does not expect '" + extra + "'";
  const std::string near = nearest(extra, candidates);
  return full_name(app) + " has no command '" + extra + "'" + (near.empty() ? "" : "; did you mean '" + near + "'?");
}

int usage_error(const CLI::App* app, const std::string& message) {
  std::fprintf(stderr, "firesteel: %s\nTry '%s --help'.\n", message.c_str(), full_name(app).c_str());
  return kExitUsage;
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  // Of equally near ones that with the most equal length: "--modle" is --model, not --mode.
  std::string best;
  size_t best_score = 4 * (std::max<size_t>(2, word.size() / 3) + 1);
  for (const std::string& candidate : candidates) {
    const size_t unequal = word.size() > candidate.size() ? word.size() - candidate.size() : candidate.size() - word.size();
    const size_t score = 4 * edit_distance(word, candidate) + std::min<size_t>(unequal, 3);
    if (score < best_score) {
      best_score = score;
      best = candidate;
    }
  }
  return best;
}

void Command::flag(const char* names, bool* value, const char* help) { app_->add_flag(names, *value, help); }

void Command::text(const char* names, std::string* value, const char* help, const char* env) {
  with_env(app_->add_option(names, *value, help), env)->type_name("TEXT");
}

void Command::texts(const char* names, std::vector<std::string>* values, const char* help) {
  CLI::Option* option = app_->add_option(names, *values, help)->type_name("TEXT");
  if (names[0] == '-') {
    option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  } else {
    option->expected(1, 1 << 20);
  }
  option->allow_extra_args(false);  // or the text "[a,b]" would be taken apart
}

void Command::paths(const char* name, std::vector<std::string>* values, const char* help) {
  app_->add_option(name, *values, help)->type_name("PATH")->expected(1, 1 << 20);
}

void Command::integer(const char* names, int64_t* value, int64_t min, int64_t max, const char* help, const char* env) {
  with_env(app_->add_option(names, *value, help), env)->type_name("N")->check(CLI::Range(min, max));
}

void Command::integers(const char* names, std::vector<int64_t>* values, int64_t min, int64_t max, const char* help) {
  app_->add_option(names, *values, help)->type_name("N,N...")->delimiter(',')->expected(1, 64)->check(CLI::Range(min, max));
}

void Command::number(const char* names, double* value, double min, double max, const char* help) {
  app_->add_option(names, *value, help)->type_name("X")->check(CLI::Range(min, max));
}

void Command::choice(const char* names, std::string* value, const std::vector<std::string>& allowed, const char* help, const char* env) {
  std::string type;
  for (const std::string& name : allowed) type += (type.empty() ? "" : "|") + name;
  with_env(app_->add_option(names, *value, help), env)->type_name(type)->check([allowed, type](const std::string& given) {
    if (std::find(allowed.begin(), allowed.end(), given) != allowed.end()) return std::string();
    const std::string near = nearest(given, allowed);
    return "'" + given + "' is not one of " + type + (near.empty() ? "" : "; did you mean " + near + "?");
  });
}

void Command::required(const char* name) { app_->get_option(name)->required(); }
void Command::excludes(const char* name, const char* other) { app_->get_option(name)->excludes(app_->get_option(other)); }
bool Command::was_given(const char* name) const { return app_->get_option(name)->count() > 0; }
const char* Command::origin(const char* name) const {
  const CLI::Option* const option = app_->get_option(name);
  if (option->count() == 0) return "default";
  const auto& on_line = app_->parse_order();
  return std::find(on_line.begin(), on_line.end(), option) != on_line.end() ? "flag" : "environment";
}
void Command::examples(const char* text) { app_->footer(std::string("Examples:\n") + text); }

Command Command::subcommand(const char* name, const char* help) {
  return Command(app_->add_subcommand(name, help), exit_code_);
}

void Command::run(std::function<int()> action) {
  // The parser calls it when everything was parsed and checked; of a command with a command below it, both: only the latter counts.
  app_->final_callback([action = std::move(action), exit_code = exit_code_, app = app_] {
    if (app->get_subcommands().empty()) *exit_code = action();
  });
}

CommandLine::CommandLine(const char* description, const char* version) : app_(std::make_unique<CLI::App>(description, "firesteel")) {
  app_->set_version_flag("--version", version);
  app_->set_help_flag("-h,--help", "Show this help and exit");
  app_->require_subcommand(0, 1);
}

CommandLine::~CommandLine() = default;

Command CommandLine::root() { return Command(app_.get(), &exit_code_); }

int CommandLine::run(int argc, const char* const* argv) {
  try {
    app_->parse(argc, argv);
  } catch (const CLI::Success& shown) {  // --help, --version
    return app_->exit(shown);
  } catch (const CLI::ParseError& error) {
    const CLI::App* app = innermost(app_.get());
    // Name an unknown flag first: what is said to be missing, or what follows the flag, is most likely a consequence.
    const std::vector<std::string> extras = app_->remaining(true);
    const auto flag = std::find_if(extras.begin(), extras.end(), [](const std::string& extra) { return extra.size() > 1 && extra[0] == '-'; });
    if (flag != extras.end()) return usage_error(app, describe_extra(app, *flag));
    if (!extras.empty() && dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) return usage_error(app, describe_extra(app, extras.front()));
    return usage_error(app, error.what());
  } catch (const std::exception& error) {  // the standard library, under a hostile command line
    std::fprintf(stderr, "firesteel: %s\n", error.what());
    return kExitFailed;
  }
  if (exit_code_ >= 0) return exit_code_;
  std::fputs(app_->help().c_str(), stderr);  // of the innermost that was named, with the names before it
  return kExitUsage;
}

int fail(const Error& error, bool json) {
  std::fflush(stdout);
  if (json) {
    Json inner;
    inner.set("code", error_code_name(error.code));
    inner.set("message", error.message);
    Json outer;
    outer.set("error", std::move(inner));
    std::printf("%s\n", outer.dump().c_str());
  }
  std::fprintf(stderr, "firesteel: %s\n", error.message.c_str());
  return kExitFailed;
}

int fail_usage(const std::string& message) {
  std::fprintf(stderr, "firesteel: %s\n", message.c_str());
  return kExitUsage;
}

}  // namespace firesteel
