#pragma once

#include "google/protobuf/stubs/logging.h"

namespace tiffin::fuzz {

// Protobuf's own words on stderr about text that is not UTF-8 would be most of what a target says.
inline const bool kProtobufIsQuiet = (google::protobuf::SetLogHandler(nullptr), true);

}  // namespace tiffin::fuzz
