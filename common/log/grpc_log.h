#pragma once

namespace tiffin::log {

// What gRPC itself says, which is errors by default. All of them are for the whole process.
//
// From here on its lines are the program's own: in its format, as warnings, the first one and then
// one every ten seconds at most with how many there were, for whoever reaches a port can cause one.
void WriteWhatGrpcSays();
// For a command that says in its own words what failed.
void HushGrpc();

}  // namespace tiffin::log
