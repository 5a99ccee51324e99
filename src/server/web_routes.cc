// Pages and their files. Who may see what is decided by the API that they talk to: the files hold nothing of anybody.
#include "server/app.h"
#include "server/web_assets.h"

namespace firesteel {
namespace {

constexpr const char* kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'self'; require-trusted-types-for 'script'; trusted-types firesteel dompurify";

bool takes_brotli(const HttpRequest& request) {
  const std::string* encodings = request.header("accept-encoding");
  if (encodings == nullptr) return false;
  std::string_view rest = *encodings;
  while (!rest.empty()) {
    const size_t end = rest.find(',');
    std::string_view one = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    if (one == "br" || (one.substr(0, 3) == "br;" && one.find("q=0") == std::string_view::npos)) return true;
  }
  return false;
}

HttpResponse asset_response(const WebAsset& asset, const HttpRequest& request) {
  const std::string etag = "\"" + std::string(asset.etag) + "\"";
  HttpResponse response{200,
                        {{"content-type", std::string(asset.type)},
                         {"cache-control", asset.cache == "immutable" ? "public, max-age=31536000, immutable" : "no-cache"},
                         {"etag", etag},
                         {"vary", "accept-encoding"},
                         {"content-security-policy", kContentSecurityPolicy},
                         {"referrer-policy", "no-referrer"},
                         {"cross-origin-opener-policy", "same-origin"},
                         {"cross-origin-resource-policy", "same-origin"}},
                        {}};
  if (const std::string* known = request.header("if-none-match"); known != nullptr && known->find(etag) != std::string::npos) {
    response.status = 304;
    return response;
  }
  if (!asset.brotli.empty() && takes_brotli(request)) {
    response.headers.emplace_back("content-encoding", "br");
    response.body = asset.brotli;
  } else {
    response.body = asset.bytes;
  }
  return response;
}

}  // namespace

void add_web_routes(ServerContext*, Router* router) {
  const auto add = [router](std::string_view pattern, const WebAsset& asset) {
    router->add(Route(HttpMethod::kGet, pattern, "web", RouteAccess::open("the app itself; its data needs a session"), RouteLimits(0),
                      Dialect::kFiresteel, [&asset](Call& call) -> HttpReply { return asset_response(asset, call.request); }));
  };
  for (const WebAsset& asset : web_assets()) {
    add(asset.path, asset);
    if (asset.path != "/admin/") continue;
    add("/admin", asset);
    add("/admin/{*}", asset);  // addresses below belong to the console's own pages
  }
}

}  // namespace firesteel
