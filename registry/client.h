// Client: session, retry, redirect and deadline logic of a client, as the same
// kind of pure machine as Node. Driven by the simulator's workload and by the
// TCP client library, through ClientLink (client_link.h), which turns its
// effects into frames on a Transport.
#ifndef REGISTRY_CLIENT_H_
#define REGISTRY_CLIENT_H_

// To be completed by its author with this public API:
//
//   using CallId = raft::StrongNumber<struct CallIdTag>;
//   struct ClientOptions {
//     std::vector<std::string> endpoints;   // client addresses of members
//     std::string nonce;                    // unique per client life
//     raft::Duration session_ttl;           // 0: permanent
//     bool open_session = true;             // false: reads and status only
//     raft::Duration deadline = raft::Millis(5000);  // default per call
//     raft::Duration backoff_min, backoff_max; uint64_t seed;
//     uint32_t in_flight_max ...
//   };
//   using CallBody = std::variant<Operation, ReadOperation, StatusRequest>;
//   // Events: raft::Tick, LinkOpened{link}, LinkClosed{link},
//   //   ResponseReceived{link, ClientResponse}, StartCall{CallId, CallBody,
//   //   optional deadline}, EndSession (CloseClient).
//   // Effects: OpenLink{link, address}, SendRequest{link, ClientRequest},
//   //   CloseLink{link}, CallDone{CallId, ClientResponse::body variant},
//   //   SessionLost{}, SessionOpened{id}.
//   class Client {
//    public:
//     Client(ClientOptions, raft::Time now);
//     void Step(const ClientEvent&, ClientEffects*);
//     raft::Time NextDeadline() const;
//     SessionId session() const;  // 0 until opened
//     // Until when this client may believe that its session is alive (TTL
//     // counted from sending the last answered keep-alive).
//     raft::Time session_valid_until() const;
//   };

#endif  // REGISTRY_CLIENT_H_
