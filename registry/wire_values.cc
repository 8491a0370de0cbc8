#include "registry/wire_values.h"

#include <utility>

namespace registry {

void ToWire(const Pid& pid, wire::Pid* out) {
  out->set_session(pid.session.value());
  out->set_local(pid.local);
}

void ToWire(const Value& value, wire::Value* out) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    out->set_text(*text);
  } else {
    out->set_integer(std::get<int64_t>(value));
  }
}

void ToWire(const Registration& registration, wire::Registration* out) {
  ToWire(registration.pid, out->mutable_pid());
  ToWire(registration.value, out->mutable_value());
  out->set_revision(registration.revision.value());
  out->set_modified(registration.modified.value());
}

void ToWire(const CommandReply& reply, wire::CommandReply* out) {
  out->set_error(static_cast<uint32_t>(reply.error));
  out->set_detail(reply.detail);
  out->set_revision(reply.revision.value());
  out->set_session(reply.session.value());
  if (reply.current) ToWire(*reply.current, out->mutable_current());
  if (reply.previous) ToWire(*reply.previous, out->mutable_previous());
  out->set_removed(reply.removed);
}

Pid FromWire(const wire::Pid& in) {
  return {.session = SessionId(in.session()), .local = in.local()};
}

bool FromWire(wire::Value* in, Value* value) {
  switch (in->kind_case()) {
    case wire::Value::kText:
      *value = std::move(*in->mutable_text());
      return true;
    case wire::Value::kInteger:
      *value = in->integer();
      return true;
    case wire::Value::KIND_NOT_SET:
      return false;
  }
  return false;
}

bool FromWire(wire::Registration* in, Registration* registration) {
  if (!in->has_pid() || !in->has_value()) return false;
  registration->pid = FromWire(in->pid());
  registration->revision = Revision(in->revision());
  registration->modified = Revision(in->modified());
  return FromWire(in->mutable_value(), &registration->value);
}

bool FromWire(wire::CommandReply* in, CommandReply* reply) {
  *reply = CommandReply();
  if (!FromWire(in->error(), &reply->error)) return false;
  reply->detail = std::move(*in->mutable_detail());
  reply->revision = Revision(in->revision());
  reply->session = SessionId(in->session());
  reply->removed = in->removed();
  if (in->has_current() &&
      !FromWire(in->mutable_current(), &reply->current.emplace())) {
    return false;
  }
  return !in->has_previous() ||
         FromWire(in->mutable_previous(), &reply->previous.emplace());
}

bool FromWire(uint32_t in, Error* error) {
  if (in > static_cast<uint32_t>(Error::kConflict)) return false;
  *error = static_cast<Error>(in);
  return true;
}

bool FromWire(uint32_t in, RegistryKind* kind) {
  if (in != static_cast<uint32_t>(RegistryKind::kUnique) &&
      in != static_cast<uint32_t>(RegistryKind::kDuplicate)) {
    return false;
  }
  *kind = static_cast<RegistryKind>(in);
  return true;
}

}  // namespace registry
