#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// The only macros that return from the function they stand in.

// Returns the status from the enclosing function unless it is OK.
#define RETURN_IF_ERROR(expression)                             \
  do {                                                          \
    if (auto status_or_ok = (expression); !status_or_ok.ok()) { \
      return status_or_ok;                                      \
    }                                                           \
  } while (false)

// Assigns (or declares) `target` from a StatusOr, or returns its status.
#define ASSIGN_OR_RETURN(target, expression) \
  ASSIGN_OR_RETURN_INTERNAL_(ASSIGN_OR_RETURN_JOIN_(status_or_, __LINE__), target, expression)
#define ASSIGN_OR_RETURN_INTERNAL_(status_or, target, expression) \
  auto status_or = (expression);                                  \
  if (!status_or.ok()) return std::move(status_or).status();      \
  target = *std::move(status_or)
#define ASSIGN_OR_RETURN_JOIN_(a, b) ASSIGN_OR_RETURN_JOIN_AGAIN_(a, b)
#define ASSIGN_OR_RETURN_JOIN_AGAIN_(a, b) a##b
