#include "gateway/functions/registry.h"

#include "gateway/functions/compare.h"
#include "gateway/functions/select.h"

namespace tiffin::gateway {

FunctionTable BuiltinFunctions() {
  return {
      {"compare", MakeCompare},
      {"select", MakeSelect},
  };
}

}  // namespace tiffin::gateway
