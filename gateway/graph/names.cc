#include "gateway/graph/names.h"

#include <vector>

#include "absl/strings/str_join.h"
#include "common/config/name_hint.h"
#include "common/strings.h"

namespace tiffin::gateway {

std::string NameHint(std::string_view name, std::span<const std::string> known,
                     std::string_view those_there_are) {
  if (known.empty()) return StrCat("; there are no ", those_there_are);
  const std::vector<std::string_view> views(known.begin(), known.end());
  const std::string_view nearest = config::Nearest(name, views);
  if (!nearest.empty()) return StrCat("; did you mean '", nearest, "'?");
  return StrCat("; ", those_there_are, ": ", absl::StrJoin(known, ", "));
}

}  // namespace tiffin::gateway
