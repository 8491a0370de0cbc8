// The values that commands, replies and reads share <-> protobuf. Internal to
// the codecs: nobody else includes generated code.
#ifndef REGISTRY_WIRE_VALUES_H_
#define REGISTRY_WIRE_VALUES_H_

#include "registry/command.h"
#include "registry/registry.pb.h"

namespace registry {

void ToWire(const Pid& pid, wire::Pid* out);
void ToWire(const Value& value, wire::Value* out);
void ToWire(const Registration& registration, wire::Registration* out);
void ToWire(const CommandReply& reply, wire::CommandReply* out);

// From takes texts out of `in` instead of copying them. False: `in` lacks a
// part or holds a number that the value cannot hold.
Pid FromWire(const wire::Pid& in);
bool FromWire(wire::Value* in, Value* value);
bool FromWire(wire::Registration* in, Registration* registration);
bool FromWire(wire::CommandReply* in, CommandReply* reply);
bool FromWire(uint32_t in, Error* error);
bool FromWire(uint32_t in, RegistryKind* kind);

}  // namespace registry

#endif  // REGISTRY_WIRE_VALUES_H_
