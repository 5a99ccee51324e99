// One file per command: each adds itself to the command line.
#pragma once

#include "command_line.h"

namespace firesteel {

void add_ask(Command root);
void add_chat(Command root);
void add_replay(Command root);
void add_release(Command root);
void add_loop(Command root);
void add_tokenize(Command root);
void add_logits(Command root);
void add_perplexity(Command root);
void add_bench(Command root);
void add_models(Command root);
void add_doctor(Command root);
void add_tenant(Command root);
void add_key(Command root);
void add_usage(Command root);
void add_audit(Command root);
void add_store(Command root);
void add_serve(Command root);
void add_eval(Command root);
void add_train(Command root);
void add_tune(Command root);
void add_data(Command root);
void add_label(Command root);
// Below train:
void add_train_tokenizer(Command train);
void add_train_model(Command train);
// Below data:
void add_data_show(Command data);
void add_datasets(Command data);  // ingest, scrub ... erase
void add_data_synth(Command data);  // synth, kinds, check
// Below doctor:
void add_doctor_isolation(Command doctor);
// Below models:
void add_models_verify(Command models);
void add_models_convert(Command models);
void add_models_quantize(Command models);
void add_models_average(Command models);

}  // namespace firesteel
