// The web app's files, embedded at build time from web/dist (cmake/WebAssets.cmake).
#pragma once

#include <span>
#include <string_view>

namespace firesteel {

struct WebAsset {
  std::string_view path;    // address: "/", "/assets/chat-....js"
  std::string_view type;
  std::string_view etag;    // without quotes
  std::string_view cache;   // "immutable" or "no-cache"
  std::string_view bytes;
  std::string_view brotli;  // empty: there is none
};

// Empty when the program was built without web/dist. Lives for ever.
std::span<const WebAsset> web_assets();

}  // namespace firesteel
