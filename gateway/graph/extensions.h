#pragma once

#include <string>
#include <vector>

#include "gateway/graph/function.h"
#include "gateway/graph/program.h"

namespace tiffin::gateway {

// An API in C++, and who brought it.
struct ProgramApi {
  ApiDefinition definition;
  std::string origin;  // "plugin 'build/libmine.so'"
};

// What graphs may call inside the gateway, and the APIs that are no graphs.
struct Extensions {
  FunctionTable functions;  // Those that are built in, too.
  std::vector<ProgramApi> apis;
};

}  // namespace tiffin::gateway
