// firesteel tokenize: text on stdin to ids, and back.
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <memory>

#include "base/json.h"
#include "commands.h"
#include "input.h"
#include "load_model.h"

namespace firesteel {
namespace {

struct TokenizeOptions {
  ModelOptions model;
  bool parse_special = false, add_special = false, ids = false, pieces = false, decode = false, json = false;
};

std::string piece_of(const Tokenizer& tokenizer, TokenId id) {
  std::string piece;
  tokenizer.append_piece(id, /*render_special=*/true, &piece);
  return piece;
}

Status tokenize(const TokenizeOptions& options) {
  FS_TRY(const std::shared_ptr<const Tokenizer> tokenizer, load_tokenizer(options.model));
  FS_TRY(const std::string input, read_stdin());
  if (options.decode) {
    FS_TRY(const std::vector<TokenId> ids, parse_token_ids(input, "standard input", tokenizer->n_vocab()));
    const std::string text = tokenizer->decode(ids, /*render_special=*/options.parse_special);
    if (options.json) {
      Json out;
      out.set("text", text);
      std::printf("%s\n", out.dump().c_str());
    } else {
      std::fwrite(text.data(), 1, text.size(), stdout);
    }
    return {};
  }
  std::vector<TokenId> ids;
  FS_TRY_VOID(tokenizer->encode(input, {.parse_special = options.parse_special, .add_special = options.add_special}, &ids));
  std::string out;
  if (options.json) {
    Json::Array id_array, piece_array;
    for (const TokenId id : ids) {
      id_array.emplace_back(id);
      if (options.pieces) piece_array.emplace_back(piece_of(*tokenizer, id));
    }
    Json object;
    object.set("ids", std::move(id_array));
    if (options.pieces) object.set("pieces", std::move(piece_array));
    out = object.dump() + "\n";
  } else if (options.pieces) {
    // One per line, quoted: pieces hold spaces and line breaks. With --ids, the id in front.
    for (const TokenId id : ids) {
      if (options.ids) out += std::to_string(id) + "\t";
      append_json_string(&out, piece_of(*tokenizer, id));
      out += '\n';
    }
  } else {
    for (const TokenId id : ids) {
      if (!out.empty()) out += ' ';
      out += std::to_string(id);
    }
    out += '\n';
  }
  std::fwrite(out.data(), 1, out.size(), stdout);
  return {};
}

}  // namespace

void add_tokenize(Command root) {
  const auto options = std::make_shared<TokenizeOptions>();
  Command command = root.subcommand("tokenize", "Turn text on stdin into token ids, or ids into text");
  add_model_option(&command, &options->model);
  command.flag("--parse-special", &options->parse_special, "Markers such as <|eot_id|> become their token; with --decode: are shown");
  command.flag("--bos", &options->add_special, "Add the beginning and end tokens that the model asks for");
  command.flag("--ids", &options->ids, "Print ids separated by spaces (default)");
  command.flag("--pieces", &options->pieces, "Print one quoted piece per line");
  command.flag("--decode", &options->decode, "The reverse: ids on stdin, separated by white space, to text");
  command.flag("--json", &options->json, "Print one JSON object");
  command.examples(
      "  echo -n 'Hello world' | firesteel tokenize --model MODEL.gguf\n"
      "  echo -n 'Hello world' | firesteel tokenize --model tokenizer.json --pieces\n"
      "  echo '1 15043 3186' | firesteel tokenize --model MODEL.gguf --decode");
  command.run([options] {
    const Status status = tokenize(*options);
    return status.ok() ? kExitOk : fail(status.error(), options->json);
  });
}

}  // namespace firesteel
