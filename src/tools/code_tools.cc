#include "tools/code_tools.h"

#include <string>
#include <utility>
#include <vector>

#include "base/utf8.h"

namespace firesteel {
namespace {

constexpr size_t kCodeBytesMax = 64u << 10;

// Bytes of a program as text: what is no UTF-8 becomes a question mark.
std::string as_text(const std::string& bytes) {
  std::string out;
  for (size_t at = 0; at < bytes.size();) {
    const Utf8Char next = decode_utf8(bytes, at);
    if (next.valid) out.append(bytes, at, next.n_bytes);
    else out.push_back('?');
    at += next.n_bytes;
  }
  return out;
}

class CodeTool final : public AgentTool {
 public:
  CodeTool(std::shared_ptr<const Sandbox> sandbox, std::string name, std::string description, const char* parameter, std::vector<std::string> argv)
      : sandbox_(std::move(sandbox)), name_(std::move(name)), description_(std::move(description)), parameter_(parameter), argv_(std::move(argv)) {}
  const std::string& name() const override { return name_; }
  const std::string& description() const override { return description_; }
  Json parameters() const override {
    return Json::Object{{"type", "object"}, {"properties", Json::Object{{parameter_, Json::Object{{"type", "string"}}}}}, {"required", Json::Array{parameter_}}};
  }
  Result<ToolResult> run(const Json& arguments, const ToolContext& context) const override {
    const Json* code = arguments.find(parameter_);
    if (code == nullptr || !code->is_string()) return Error{ErrorCode::kInvalidArgument, std::string("expected the text \"") + parameter_ + "\""};
    if (code->as_string().size() > kCodeBytesMax) return Error{ErrorCode::kInvalidArgument, "at most 64 KiB of code, found " + std::to_string(code->as_string().size()) + " bytes"};
    FS_TRY(const ProcessEnd end, sandbox_->run(argv_, code->as_string(), context.cancelled));
    std::string text = as_text(end.out);
    if (!end.err.empty()) text += (text.empty() || text.back() == '\n' ? "" : "\n") + std::string("[stderr]\n") + as_text(end.err);
    if (end.was_cut) text += "\n[cut at " + std::to_string(sandbox_->limits().output_bytes) + " bytes]";
    if (end.why == ProcessEnd::Why::kCancelled) return Error{ErrorCode::kCancelled, "cancelled"};
    std::string how = cut_short(end, sandbox_->limits());
    if (how.empty() && end.code != 0) how = "exit code " + std::to_string(end.code);
    if (how.empty()) return ToolResult(text.empty() ? "(it printed nothing)" : std::move(text));
    return Error{ErrorCode::kInvalidArgument, how + (text.empty() ? "" : "\n" + text)};
  }

 private:
  std::shared_ptr<const Sandbox> sandbox_;
  const std::string name_, description_;
  const char* parameter_;
  const std::vector<std::string> argv_;
};

// -I: neither the environment nor the current folder decides what is imported.
std::vector<std::string> python_argv() { return {"/usr/bin/python3", "-I", "-"}; }

}  // namespace

Result<ProcessEnd> run_python(const Sandbox& sandbox, std::string_view source, const std::function<bool()>& cancelled) { return sandbox.run(python_argv(), source, cancelled); }

std::string cut_short(const ProcessEnd& end, const SandboxLimits& limits) {
  switch (end.why) {
    case ProcessEnd::Why::kExit: return {};
    case ProcessEnd::Why::kSignal: return "ended by signal " + std::to_string(end.code);
    case ProcessEnd::Why::kTime: return "ended after " + std::to_string(limits.wall_ms) + " ms, the limit";
    case ProcessEnd::Why::kMemory: return "ended at " + std::to_string(limits.memory_bytes >> 20) + " MiB of memory, the limit";
    case ProcessEnd::Why::kCancelled: return "cancelled";
  }
  return {};
}

std::shared_ptr<const AgentTool> make_python(std::shared_ptr<const Sandbox> sandbox) {
  return std::make_shared<CodeTool>(std::move(sandbox), "python", "Runs Python 3 in a sandbox without network for at most 10 seconds; what it prints is the result", "code",
                                    python_argv());
}

std::shared_ptr<const AgentTool> make_shell(std::shared_ptr<const Sandbox> sandbox) {
  return std::make_shared<CodeTool>(std::move(sandbox), "shell", "Runs a POSIX shell script in a sandbox without network for at most 10 seconds; what it prints is the result",
                                    "command", std::vector<std::string>{"/bin/sh", "-s"});
}

}  // namespace firesteel
