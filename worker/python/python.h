#pragma once

// CPython and pybind11, for the sources that talk to them; no header that others include does.
// Python.h wants to be first.
#include <pybind11/embed.h>
#include <pybind11/pybind11.h>

namespace tiffin::worker {

namespace py = pybind11;

}  // namespace tiffin::worker
