// firesteel train: what is below it.
#include "commands.h"

namespace firesteel {

void add_train(Command root) {
  Command train = root.subcommand("train", "Make a model of one's own");
  add_train_model(train);
  add_train_tokenizer(train);
}

}  // namespace firesteel
