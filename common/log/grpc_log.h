#pragma once

namespace tiffin::log {

// What gRPC itself says, which is errors by default. All of them are for the whole process.
//
// From here on its lines are the program's own, in its format. Errors are warnings, the first one
// and then one every ten seconds at most with how many there were, for whoever reaches a port can
// cause one; what GRPC_VERBOSITY adds is for debugging.
void WriteWhatGrpcSays();
// For a command that says in its own words what failed.
void HushGrpc();

}  // namespace tiffin::log
