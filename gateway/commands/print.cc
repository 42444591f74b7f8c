#include "gateway/commands/print.h"

#include <cstdio>

#include "nlohmann/json.hpp"

namespace tiffin::gateway {

void Print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void PrintJson(const nlohmann::json& json) {
  Print(json.dump(/*indent=*/2, /*indent_char=*/' ', /*ensure_ascii=*/false,
                  nlohmann::json::error_handler_t::replace) +
        "\n");
}

}  // namespace tiffin::gateway
