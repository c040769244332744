// Streams, events and graphs, and the waiting for them. All of it is over at once; whether the
// calls would have been in order on a card is what is watched.
#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "parts.h"

namespace gpt::fake {

namespace {

using Clock = std::chrono::steady_clock;

struct Stream {
  int card;
};
struct Event {
  int card;
  bool recorded = false;
  std::size_t products = 0;  // of cuBLASLt that came before
  Clock::time_point at = {};
};

auto& streams = *new std::set<cudaStream_t>;
auto& recordings = *new std::map<cudaStream_t, unsigned long long>;  // and their numbers
thread_local cudaStream_t recorded = nullptr;
thread_local bool broken = false;
thread_local cudaError_t last_error = cudaSuccess;

cudaStreamCaptureStatus capture_status(cudaStream_t stream) {
  return state().capturing || recordings.count(stream) ? cudaStreamCaptureStatusActive
                                                       : cudaStreamCaptureStatusNone;
}

cudaError_t waited(const char* what) {
  count(what);
  return noted(ends_recording(what) ? cudaErrorStreamCaptureUnsupported : cudaSuccess);
}

}  // namespace

cudaError_t noted(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

int card_of(cudaStream_t stream) {
  const Lock lock(mutex());
  return streams.count(stream) ? reinterpret_cast<Stream*>(stream)->card : current_card();
}

bool recording() {
  return recorded != nullptr;
}

bool ends_recording(const char* what) {
  if (!recording()) return false;
  broken = true;
  complain(std::string(what) + " while a graph is recorded");
  return true;
}

cudaError_t use_stream(cudaStream_t stream, const std::string& what) {
  if (card_of(stream) != current_card())
    complain(what + " on a stream of another card than the current one");
  open_context(current_card());
  if (!stream && ends_recording((what + " on the default stream").c_str()))
    return cudaErrorStreamCaptureImplicit;
  return cudaSuccess;
}

}  // namespace gpt::fake

using namespace gpt::fake;  // what follows are all CUDA's names

extern "C" {

cudaError_t cudaGetLastError() {
  return std::exchange(last_error, cudaSuccess);
}
cudaError_t cudaPeekAtLastError() {
  return last_error;
}
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const Lock lock(mutex());
  open_context(current_card());
  *stream = reinterpret_cast<cudaStream_t>(new Stream{current_card()});
  streams.insert(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  return cudaStreamCreateWithFlags(stream, flags);
}
cudaError_t cudaStreamDestroy(cudaStream_t) {
  return cudaSuccess;
}
cudaError_t cudaStreamQuery(cudaStream_t) {
  ends_recording("cudaStreamQuery");
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t event, unsigned) {
  if (!event) complain("a stream waits for no event");
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() {
  open_context(current_card());
  return waited("wait for a card");
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const cudaError_t error = waited("wait for a stream");
  return error == cudaSuccess ? use_stream(stream, "wait") : error;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = reinterpret_cast<cudaEvent_t>(new Event{current_card()});
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, 0);
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete reinterpret_cast<Event*>(event);
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const Lock lock(mutex());
  auto* of = reinterpret_cast<Event*>(event);
  if (of->card != card_of(stream)) {
    complain("an event of one card is recorded on a stream of another");
    return noted(cudaErrorInvalidResourceHandle);
  }
  *of = {of->card, true, state().calls.size(), Clock::now()};
  return cudaSuccess;
}
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned) {
  return cudaEventRecord(event, stream);
}
cudaError_t cudaEventQuery(cudaEvent_t) {
  ends_recording("cudaEventQuery");
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t) {
  return waited("wait for an event");
}
// Between products of cuBLASLt: the time that the last one's suggestion was given.
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  const Lock lock(mutex());
  const auto *a = reinterpret_cast<Event*>(from), *b = reinterpret_cast<Event*>(to);
  if (!a->recorded || !b->recorded) complain("the time between events that were not recorded");
  *milliseconds = b->products > a->products
                      ? state().milliseconds[state().calls[b->products - 1].algorithm]
                      : std::chrono::duration<float, std::milli>(b->at - a->at).count();
  return cudaSuccess;
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode*) {
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  const Lock lock(mutex());
  *status = capture_status(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus* status,
                                     unsigned long long* id, cudaGraph_t* graph,
                                     const cudaGraphNode_t**, const cudaGraphEdgeData**,
                                     std::size_t* dependencies) {
  static char one;
  const Lock lock(mutex());
  *status = capture_status(stream);
  if (id) *id = recordings.count(stream) ? recordings[stream] : 1;
  if (graph) *graph = reinterpret_cast<cudaGraph_t>(&one);
  if (dependencies) *dependencies = 0;
  return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  static unsigned long long number = 0;
  const Lock lock(mutex());
  if (!stream) {
    complain("a graph is recorded from the default stream");
    return noted(cudaErrorStreamCaptureUnsupported);
  }
  if (state().fails == "recording") return noted(cudaErrorStreamCaptureUnsupported);
  count("recording");
  recorded = stream;
  broken = false;
  recordings[stream] = ++number;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const Lock lock(mutex());
  recordings.erase(stream);
  recorded = nullptr;
  *graph = broken ? nullptr : reinterpret_cast<cudaGraph_t>(new char);
  return noted(broken ? cudaErrorStreamCaptureInvalidated : cudaSuccess);
}
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* made, cudaGraph_t, unsigned long long) {
  *made = reinterpret_cast<cudaGraphExec_t>(new char);
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t, cudaStream_t stream) {
  count("graph");
  return noted(use_stream(stream, "graph"));
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete reinterpret_cast<char*>(graph);
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  delete reinterpret_cast<char*>(graph);
  return cudaSuccess;
}
cudaError_t cudaGraphGetNodes(cudaGraph_t, cudaGraphNode_t*, std::size_t* nodes) {
  *nodes = 5;  // LibTorch warns of none
  return cudaSuccess;
}
cudaError_t cudaGraphNodeGetDependencies(cudaGraphNode_t, cudaGraphNode_t*, cudaGraphEdgeData*,
                                         std::size_t* nodes) {
  *nodes = 0;
  return cudaSuccess;
}

}  // extern "C"
