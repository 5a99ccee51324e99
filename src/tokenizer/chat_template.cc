#include "tokenizer/chat_template.h"

#include "tokenizer/chat_template_fit.h"
#include "tokenizer/jinja_interpreter.h"

namespace firesteel {
namespace {

class JinjaTemplate final : public ChatTemplate {
 public:
  explicit JinjaTemplate(jinja::Program program) : program_(std::move(program)), traits_(probe_template(program_)) {}

  Result<std::vector<PromptSpan>> render(const Json& context, int64_t now_unix_s, const TemplateBudget& budget) const override {
    if (!context.is_object()) return Error{ErrorCode::kInvalidArgument, "chat template: the context must be an object"};
    if (!needs_fitting(traits_, context)) return jinja::Interpreter(program_, context, budget, now_unix_s).run();
    FS_TRY(const Json fitted, fit_context(traits_, context));
    return jinja::Interpreter(program_, fitted, budget, now_unix_s).run();
  }

  Result<Json> fit(const Json& context) const override { return fit_context(traits_, context); }

  bool mentions(std::string_view variable) const override {
    for (size_t i = 0; i < program_.names.size(); ++i) {
      if (program_.name_is_read[i] && program_.names[i] == variable) return true;
    }
    return false;
  }

 private:
  jinja::Program program_;
  TemplateTraits traits_;
};

}  // namespace

Result<std::unique_ptr<const ChatTemplate>> ChatTemplate::compile(std::string_view source) {
  FS_TRY(jinja::Program program, jinja::parse_template(source));
  return std::unique_ptr<const ChatTemplate>(new JinjaTemplate(std::move(program)));
}

Result<std::string> ChatTemplate::render_text(const Json& context, int64_t now_unix_s) const {
  FS_TRY(const std::vector<PromptSpan> spans, render(context, now_unix_s, TemplateBudget{}));
  std::string text;
  for (const PromptSpan& span : spans) text += span.text;
  return text;
}

}  // namespace firesteel
