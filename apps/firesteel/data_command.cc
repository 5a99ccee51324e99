// firesteel data: what training and evaluation are made of.
#include "commands.h"

namespace firesteel {

void add_data(Command root) {
  Command data = root.subcommand("data", "Make and look at training and evaluation data");
  data.examples(
      "  firesteel data show --kind pictures -n 20 --png pictures\n"
      "  firesteel data synth --out set --count 100000\n"
      "  firesteel data ingest --name support chats.jsonl\n"
      "  firesteel data prepare support --suite suites/kindling");
  add_datasets(data);
  add_data_show(data);
  add_data_synth(data);
}

}  // namespace firesteel
