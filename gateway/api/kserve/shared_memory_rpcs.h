#pragma once

#include <string_view>

#include "gateway/api/kserve/shared_memory.h"
#include "gateway/api/rpc.h"

namespace tiffin::gateway::kserve {

// Answers the RPCs on clients' shared memory: SystemSharedMemoryRegister and its like, and those of
// CUDA, which are UNIMPLEMENTED. False if `method` is none of them. `memory`: null if clients may
// not share it; else it outlives the RPC.
bool AnswerSharedMemory(std::string_view method, Rpc& rpc, SharedMemory* memory);

}  // namespace tiffin::gateway::kserve
