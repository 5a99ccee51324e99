// firesteel train tokenizer: texts to a GGUF file that holds vocabulary, prompt format and nothing else; `train` begins from it.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/mapped_file.h"
#include "checkpoint/gguf_writer.h"
#include "commands.h"
#include "data/synth.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/chat_template.h"

namespace firesteel {
namespace {

constexpr uint64_t kTemplateBytesMax = 1u << 20;

struct TrainTokenizerOptions {
  std::string out;
  std::string chat_template = "models/kindling/chat_template.jinja";
  std::vector<std::string> texts;
  int64_t n_synthetic = 60'000;
  int64_t seed = 1;
  int64_t n_tokens = 4096;
  bool json = false;
};

void add_strings(const Json& value, BpeTrainer* trainer) {
  if (value.is_string()) trainer->add(value.as_string());
  if (value.is_array()) {
    for (const Json& element : value.as_array()) add_strings(element, trainer);
  }
  if (value.is_object()) {
    for (const auto& [key, member] : value.as_object()) add_strings(member, trainer);
  }
}

// Plain text, or every string in the lines of a .jsonl file.
Status add_file(const std::string& path, BpeTrainer* trainer) {
  FS_TRY(const MappedFile file, MappedFile::open(path));
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  if (!path.ends_with(".jsonl")) {
    trainer->add(text);
    return {};
  }
  size_t n_lines = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    ++n_lines;
    if (line.empty()) continue;
    const Result<Json> value = Json::parse(line);
    if (!value.ok()) return Error{ErrorCode::kDataLoss, path + ", line " + std::to_string(n_lines) + ": " + value.error().message};
    add_strings(*value, trainer);
  }
  return {};
}

// What training will see: synthesised conversations with their answers.
Status add_synthetic(int64_t n_samples, int64_t seed, BpeTrainer* trainer) {
  if (n_samples == 0) return {};
  FS_TRY(const std::unique_ptr<SynthSource> source, SynthSource::create({.seed = static_cast<uint64_t>(seed)}));
  for (int64_t i = 0; i < n_samples; ++i) {
    FS_TRY(const Sample sample, source->sample(static_cast<uint64_t>(i)));
    for (const SampleMessage& message : sample.messages) trainer->add(message.text);
    trainer->add(sample.target);
  }
  return {};
}

Status write_tokenizer(const std::string& path, const TrainedVocabulary& vocabulary, std::string_view chat_template) {
  Metadata metadata;
  metadata.add("general.architecture", std::string_view("llama"));
  metadata.add("general.name", std::string_view("kindling-tokenizer"));
  add_kindling_metadata(vocabulary, chat_template, &metadata);
  FS_TRY(GgufWriter writer, GgufWriter::create(path));
  for (const auto& [key, value] : metadata.items()) writer.add(key, value);
  FS_TRY_VOID(writer.begin());
  return writer.commit();
}

Status train_tokenizer(const TrainTokenizerOptions& options) {
  FS_TRY(const std::string chat_template, read_file(options.chat_template, kTemplateBytesMax));
  const auto compiled = ChatTemplate::compile(chat_template);
  if (!compiled.ok()) return Error{compiled.error().code, options.chat_template + ": " + compiled.error().message};
  FS_TRY(BpeTrainer trainer, BpeTrainer::create("qwen2", kindling_special_tokens()));
  for (const std::string& path : options.texts) FS_TRY_VOID(add_file(path, &trainer));
  FS_TRY_VOID(add_synthetic(options.n_synthetic, options.seed, &trainer));
  if (trainer.n_words() == 0) return Error{ErrorCode::kInvalidArgument, "no text to learn from: give --text or --synthetic"};
  add_kindling_words(&trainer);
  FS_TRY(TrainedVocabulary vocabulary, trainer.train(static_cast<size_t>(options.n_tokens)));
  vocabulary.begin = vocabulary.padding = "<|endoftext|>";
  vocabulary.end = "<|im_end|>";
  FS_TRY_VOID(write_tokenizer(options.out, vocabulary, chat_template));

  const auto n_tokens = static_cast<int64_t>(vocabulary.tokens.size());
  const auto n_pieces = static_cast<int64_t>(trainer.n_pieces());
  const auto n_words = static_cast<int64_t>(trainer.n_words());
  if (options.json) {
    const Json summary = Json::Object{{"out", options.out}, {"tokens", n_tokens}, {"pieces", n_pieces}, {"words", n_words}};
    std::printf("%s\n", summary.dump().c_str());
  } else {
    std::printf("%s: %lld tokens, learnt from %lld pieces of text (%lld that differ)\n", options.out.c_str(), static_cast<long long>(n_tokens),
                static_cast<long long>(n_pieces), static_cast<long long>(n_words));
  }
  return {};
}

}  // namespace

void add_train_tokenizer(Command train) {
  const auto options = std::make_shared<TrainTokenizerOptions>();
  Command command = train.subcommand("tokenizer", "Learn a vocabulary from texts and write it with the prompt format");
  command.text("-o,--out", &options->out, "The .gguf file to write");
  command.required("--out");
  command.texts("--text", &options->texts, "A text file, or a .jsonl file of which every string is read; may be repeated");
  command.integer("--synthetic", &options->n_synthetic, 0, 100'000'000, "Samples of the training split of `data synth` to read; 0: none");
  command.integer("--seed", &options->seed, 0, INT64_MAX, "Of the synthetic samples");
  command.text("--chat-template", &options->chat_template, "The Jinja template of the prompt format");
  command.integer("--vocab", &options->n_tokens, 300, 1 << 20, "Tokens of the vocabulary");
  command.flag("--json", &options->json, "Print one JSON object");
  command.examples(
      "  firesteel train tokenizer --out tokenizer.gguf\n"
      "  firesteel train tokenizer --out tokenizer.gguf --synthetic 0 --text stories.txt --text problems.jsonl\n"
      "  echo -n 'What do 7 pens cost?' | firesteel tokenize --model tokenizer.gguf --pieces");
  command.run([options] {
    const Status status = train_tokenizer(*options);
    return status.ok() ? kExitOk : fail(status.error(), options->json);
  });
}

}  // namespace firesteel
