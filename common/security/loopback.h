#pragma once

#include <string_view>

namespace tiffin::security {

// What goes to this address, HOST:PORT or unix:PATH, does not leave the machine. False for whatever
// is not plainly so.
bool IsLoopback(std::string_view address);

}  // namespace tiffin::security
