#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace tiffin {

// Who sent an RPC, where that has to be shown, and what they may call.
struct Caller {
  std::string name;
  bool may_all = false;
  std::vector<std::string> may;

  bool May(std::string_view what) const {
    return may_all || std::find(may.begin(), may.end(), what) != may.end();
  }
};

}  // namespace tiffin
