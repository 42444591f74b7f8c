#include "gateway/functions/registry.h"

#include "gateway/functions/argmax.h"
#include "gateway/functions/cast.h"
#include "gateway/functions/compare.h"
#include "gateway/functions/concat.h"
#include "gateway/functions/format.h"
#include "gateway/functions/if_empty.h"
#include "gateway/functions/label.h"
#include "gateway/functions/one_line.h"
#include "gateway/functions/reshape.h"
#include "gateway/functions/select.h"
#include "gateway/functions/softmax.h"
#include "gateway/functions/threshold.h"
#include "gateway/functions/top_k.h"

namespace tiffin::gateway {

FunctionTable BuiltinFunctions() {
  return {
      {"argmax", MakeArgmax}, {"cast", MakeCast},        {"compare", MakeCompare},
      {"concat", MakeConcat}, {"format", MakeFormat},    {"if_empty", MakeIfEmpty},
      {"label", MakeLabel},   {"one_line", MakeOneLine}, {"reshape", MakeReshape},
      {"select", MakeSelect}, {"softmax", MakeSoftmax},  {"threshold", MakeThreshold},
      {"top_k", MakeTopK},
  };
}

}  // namespace tiffin::gateway
