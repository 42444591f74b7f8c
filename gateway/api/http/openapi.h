#pragma once

#include <span>
#include <string>
#include <string_view>

#include "gateway/api/http/kserve_routes.h"
#include "gateway/api/interface.h"

namespace tiffin::gateway::http {

// A path that is asked by GET.
struct DescribedGet {
  std::string_view path;
  std::string_view summary;
  std::string_view content_type;
};
// A path that runs an API.
struct DescribedApi {
  std::string_view path;
  const Interface* interface;
};

// All that the gateway answers over HTTP, as an OpenAPI 3.1 document.
std::string OpenApiDocument(std::span<const DescribedGet> gets, std::span<const DescribedApi> apis,
                            std::span<const KserveRoutes::Route> kserve);

}  // namespace tiffin::gateway::http
