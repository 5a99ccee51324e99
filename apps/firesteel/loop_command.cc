// firesteel loop: the improvement loop as one command.
#include <memory>

#include "commands.h"
#include "loop_demo.h"

namespace firesteel {

void add_loop(Command root) {
  Command loop = root.subcommand("loop", "The improvement loop as one command");
  loop.examples("  firesteel loop demo --out loop-demo");
  const auto options = std::make_shared<DemoOptions>();
  const auto numbers = std::make_shared<int64_t>(1);
  Command demo = loop.subcommand("demo", "Walk the whole loop once with made-up people: ratings, a better variant, a sealed evaluation, a canary, "
                                         "a promotion; then two bad variants that do not get through");
  demo.text("-o,--out", &options->folder, "Folder for everything it makes; must not hold an earlier one");
  demo.required("--out");
  demo.integer("--seed", numbers.get(), 0, 1'000'000, "Of people and problems (default 1)");
  demo.integer("--people", &options->n_people, 20, 100'000, "How many people there are (default 1000)");
  demo.integer("--ratings", &options->n_ratings, 40, 100'000, "Answers that are rated before the first dataset (default 240)");
  demo.integer("--items", &options->n_suite, 20, 500, "Items of the sealed suite (default 120)");
  const auto no_tune = std::make_shared<bool>(false);
  demo.flag("--no-tune", no_tune.get(), "The candidate thinks before it answers, instead of being tuned on the pairs (data prepare, tune dpo)");
  demo.examples("  firesteel loop demo --out loop-demo");
  demo.run([options, numbers, no_tune] {
    options->seed = static_cast<uint64_t>(*numbers);
    options->tune = !*no_tune;
    const Status status = run_loop_demo(*options);
    return status.ok() ? static_cast<int>(kExitOk) : fail(status.error());
  });
}

}  // namespace firesteel
