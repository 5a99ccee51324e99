#include "tools/documents_tool.h"

#include <optional>
#include <string>
#include <utility>

#include "store/document_index.h"

namespace firesteel {
namespace {

constexpr int64_t kPassagesMax = 10;
constexpr size_t kPassagesUsual = 4, kQueryBytesMax = 1000;

class Documents final : public AgentTool {
 public:
  Documents(Store* store, MeaningFn meaning) : store_(store), meaning_(std::move(meaning)) {}
  const std::string& name() const override { return name_; }
  const std::string& description() const override { return description_; }
  Json parameters() const override {
    return Json::Object{{"type", "object"},
                        {"properties", Json::Object{{"query", Json::Object{{"type", "string"}, {"description", "words to look for"}}},
                                                    {"n", Json::Object{{"type", "integer"}, {"minimum", 1}, {"maximum", kPassagesMax}}}}},
                        {"required", Json::Array{"query"}}};
  }
  ToolTaint taint() const override { return ToolTaint::kTainted; }
  std::string_view scope() const override { return "files"; }
  Result<ToolResult> run(const Json& arguments, const ToolContext& context) const override {
    const Json* query = arguments.find("query");
    if (query == nullptr || !query->is_string() || query->as_string().size() > kQueryBytesMax) return Error{ErrorCode::kInvalidArgument, "query: expected a text of at most 1,000 bytes"};
    size_t n = kPassagesUsual;
    if (const Json* asked = arguments.find("n"); asked != nullptr && !asked->is_null()) {
      if (!asked->is_int() || asked->as_int() < 1 || asked->as_int() > kPassagesMax) return Error{ErrorCode::kInvalidArgument, "n: expected 1 to 10"};
      n = static_cast<size_t>(asked->as_int());
    }
    const std::optional<TenantId> tenant = TenantId::parse(context.owner);
    if (!tenant) return Error{ErrorCode::kFailedPrecondition, "there are no documents here"};
    const std::optional<QueryMeaning> meaning = meaning_ ? meaning_(query->as_string()) : std::nullopt;
    FS_TRY(const std::vector<PassageHit> hits, DocumentIndex(*store_).search(*tenant, query->as_string(), n, meaning ? &*meaning : nullptr));
    if (hits.empty()) return ToolResult("no passage holds any of these words");
    std::string out;
    for (size_t i = 0; i < hits.size(); ++i) {
      const PassageHit& hit = hits[i];
      out += (i == 0 ? "" : "\n\n") + std::string("[") + std::to_string(i + 1) + "] " + hit.name + ", passage " + std::to_string(hit.number);
      if (!hit.heading.empty()) out += " (" + hit.heading + ")";
      out += ": " + hit.text;
    }
    return ToolResult(std::move(out));
  }

 private:
  Store* store_;
  const MeaningFn meaning_;
  const std::string name_ = "documents";
  const std::string description_ = "Searches the user's own documents; passages come numbered, to be cited as [1]";
};

}  // namespace

std::shared_ptr<const AgentTool> make_documents(Store* store, MeaningFn meaning) { return std::make_shared<Documents>(store, std::move(meaning)); }

}  // namespace firesteel
