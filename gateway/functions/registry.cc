#include "gateway/functions/registry.h"

#include "gateway/functions/compare.h"
#include "gateway/functions/format.h"
#include "gateway/functions/if_empty.h"
#include "gateway/functions/one_line.h"
#include "gateway/functions/select.h"

namespace tiffin::gateway {

FunctionTable BuiltinFunctions() {
  return {
      {"compare", MakeCompare},  {"format", MakeFormat}, {"if_empty", MakeIfEmpty},
      {"one_line", MakeOneLine}, {"select", MakeSelect},
  };
}

}  // namespace tiffin::gateway
