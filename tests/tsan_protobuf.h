#pragma once

// Read before all else where ThreadSanitizer and Protobuf's map fields meet: in code that is built
// with it they have two counters more, of which Debian's library, which is not, knows nothing. So
// their header is read as if this were not, once the standard library's are.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#pragma push_macro("__SANITIZE_THREAD__")
#undef __SANITIZE_THREAD__
#include "google/protobuf/map_field.h"
#pragma pop_macro("__SANITIZE_THREAD__")
