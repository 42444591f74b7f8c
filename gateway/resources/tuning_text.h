#pragma once

#include <string>
#include <vector>

#include "gateway/resources/search.h"

namespace tiffin::gateway {

// What was measured of a service's runners: a table, for people.
std::vector<std::string> MeasurementText(const std::string& service,
                                         const RunnerProfiles& profiles);

// The allocation that was chosen, and others that were looked at, with what each is predicted to
// do: a table for each API.
std::vector<std::string> SearchText(const SearchSubject& subject, const SearchResult& result);

}  // namespace tiffin::gateway
