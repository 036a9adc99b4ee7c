package audit

// Severity is the weight of an event. Its value is the PRI of RFC 5424 that the
// event is sent with: facility 13 (log audit) and the level.
//
// IEC 62351-14; RFC 5424, Section 6.2.1
type Severity uint8

// The severities of IEC 62351-14.
const (
	Alarm   Severity = 105
	Error   Severity = 107
	Warning Severity = 108
	Notice  Severity = 109
)

// String returns the severity in lower case.
func (s Severity) String() string {
	switch s {
	case Alarm:
		return "alarm"
	case Error:
		return "error"
	case Warning:
		return "warning"
	case Notice:
		return "notice"
	}
	return "unknown"
}

// An ID names a kind of event as "Domain:Group.Number". Domains are those of
// IEC 62351-14. What has no number there is in the domain x-busbar, under the
// row of the attack catalogue in docs/threat-model.md that it answers, or under
// a word where it answers none.
type ID string

// Transport security.
//
// IEC 62351-3
const (
	TLSEstablished        ID = "IEC62351-3:1.1"
	TLSNoPeerCertificate  ID = "IEC62351-3:1.6"
	TLSClosedByRevocation ID = "IEC62351-3:1.8"
	TLSCipherDisallowed   ID = "IEC62351-3:1.9"
)

// Certificates, of transport and end-to-end security alike.
//
// IEC 62351-3
const (
	CertificateSize      ID = "IEC62351-3:2.1"
	CertificateUnknownCA ID = "IEC62351-3:2.2"
	CertificateRevoked   ID = "IEC62351-3:2.4"
	CRLMissing           ID = "IEC62351-3:2.5"
	CRLExpired           ID = "IEC62351-3:2.6"
	CertificateExpired   ID = "IEC62351-3:2.8"
	CertificateAlgorithm ID = "IEC62351-3:2.9"
	CertificateSignature ID = "IEC62351-3:2.10"
	CertificateKeySize   ID = "IEC62351-3:2.11"
)

// End-to-end security: the handshake, data, and the XMPP carrier.
//
// IEC 62351-4
const (
	E2EHandshakeSignature   ID = "IEC62351-4:1.2"
	E2EHandshakeCertificate ID = "IEC62351-4:1.7"
	E2EHandshakeAddress     ID = "IEC62351-4:1.8"
	E2EHandshakeReplay      ID = "IEC62351-4:1.11"
	E2EClearAlgorithm       ID = "IEC62351-4:10.3"
	E2EClearICV             ID = "IEC62351-4:10.5"
	E2EClearReplay          ID = "IEC62351-4:10.7"
	E2EEncrAlgorithm        ID = "IEC62351-4:11.3"
	E2EEncrICV              ID = "IEC62351-4:11.5"
	E2EEncrReplay           ID = "IEC62351-4:11.7"
	E2EIQElementMissing     ID = "IEC62351-4:18.1"
	E2ENamespace            ID = "IEC62351-4:18.3"
	E2EStanzaType           ID = "IEC62351-4:18.6"
)

// Attacks on a hop: M1 to M11 of the catalogue.
const (
	StartTLSMissing       ID = "x-busbar:M1"
	StartTLSInjection     ID = "x-busbar:M2"
	SASLDowngrade         ID = "x-busbar:M3"
	ChannelBinding        ID = "x-busbar:M4"
	ServerCertificate     ID = "x-busbar:M5"
	ClientCertificate     ID = "x-busbar:M6"
	CredentialWithdrawn   ID = "x-busbar:M7"
	RevocationUnknown     ID = "x-busbar:M8"
	TLSRefused            ID = "x-busbar:M9"
	ServerToServerRefused ID = "x-busbar:M10"
	ResumptionRefused     ID = "x-busbar:M11"
)

// Attacks on the stream and its XML: X1 to X6.
const (
	RestrictedXML   ID = "x-busbar:X1"
	StreamLimit     ID = "x-busbar:X2"
	StreamEncoding  ID = "x-busbar:X3"
	StreamMalformed ID = "x-busbar:X4"
	StreamFlood     ID = "x-busbar:X5"
	ReplySpoofed    ID = "x-busbar:X6"
)

// Attacks on end-to-end security that IEC 62351-14 has no number for: E1 to
// E13, and D1.
const (
	E2EReplay         ID = "x-busbar:E1"
	E2EReflection     ID = "x-busbar:E2"
	E2ETampered       ID = "x-busbar:E3"
	E2EAddress        ID = "x-busbar:E4"
	E2EAssociationID  ID = "x-busbar:E5"
	E2ETime           ID = "x-busbar:E6"
	E2ESequence       ID = "x-busbar:E7"
	E2EDowngrade      ID = "x-busbar:E8"
	E2EKeyShare       ID = "x-busbar:E9"
	E2ERekey          ID = "x-busbar:E10"
	E2ECertificate    ID = "x-busbar:E11"
	E2ECanonical      ID = "x-busbar:E12"
	CommandHeldBack   ID = "x-busbar:E13"
	E2EHandshakeFlood ID = "x-busbar:D1"
)

// Roles and rights: R1 to R3.
const (
	RoleRefused   ID = "x-busbar:R1"
	AccessDenied  ID = "x-busbar:R2"
	RoleWithdrawn ID = "x-busbar:R3"
)

// Events that the catalogue has no row for.
const (
	E2EEstablished      ID = "x-busbar:e2e-established"
	E2EEnded            ID = "x-busbar:e2e-ended"
	E2ERejected         ID = "x-busbar:e2e-rejected"
	PasswordRefused     ID = "x-busbar:password-refused"
	PeerTaken           ID = "x-busbar:mms-peer-taken"
	PeerRefused         ID = "x-busbar:mms-peer-refused"
	StreamOpened        ID = "x-busbar:stream-opened"
	StreamLost          ID = "x-busbar:stream-lost"
	StreamResumed       ID = "x-busbar:stream-resumed"
	StreamReplaced      ID = "x-busbar:stream-replaced"
	StreamSlow          ID = "x-busbar:stream-slow"
	StreamRetired       ID = "x-busbar:stream-retired"
	DomainLost          ID = "x-busbar:domain-lost"
	BrokerStarted       ID = "x-busbar:broker-started"
	BrokerReloaded      ID = "x-busbar:broker-reloaded"
	BrokerDrained       ID = "x-busbar:broker-drained"
	BrokerReloadRefused ID = "x-busbar:broker-reload-refused"
	PartyReloaded       ID = "x-busbar:party-reloaded"
	PartyReloadRefused  ID = "x-busbar:party-reload-refused"
	TermEnding          ID = "x-busbar:term-ending"
	SenderSpoofed       ID = "x-busbar:sender-spoofed"
	RuleDenied          ID = "x-busbar:rule-denied"
	AccountMade         ID = "x-busbar:account-made"
	AccountRemoved      ID = "x-busbar:account-removed"
	ValueWritten        ID = "x-busbar:value-written"
	CommandAccepted     ID = "x-busbar:command-accepted"
	CommandRefused      ID = "x-busbar:command-refused"
	ClockSynced         ID = "x-busbar:clock-synchronized"
	ClockLost           ID = "x-busbar:clock-lost"
	ClockStepped        ID = "x-busbar:clock-stepped"
	FileRead            ID = "x-busbar:file-read"
	FileWritten         ID = "x-busbar:file-written"
	FileDeleted         ID = "x-busbar:file-deleted"
	StateLost           ID = "x-busbar:state-lost"
	StateRestored       ID = "x-busbar:state-restored"
)

type entry struct {
	mnemonic string
	severity Severity
}

var table = map[ID]entry{
	TLSEstablished:        {"TLS session established", Notice},
	TLSNoPeerCertificate:  {"no peer certificate", Error},
	TLSClosedByRevocation: {"TLS session closed by revocation", Alarm},
	TLSCipherDisallowed:   {"cipher suite not allowed", Error},

	CertificateSize:      {"certificate too large", Error},
	CertificateUnknownCA: {"certificate of an unknown CA", Error},
	CertificateRevoked:   {"certificate revoked", Alarm},
	CRLMissing:           {"no revocation list", Warning},
	CRLExpired:           {"revocation list expired", Warning},
	CertificateExpired:   {"certificate expired", Error},
	CertificateAlgorithm: {"certificate algorithm not allowed", Error},
	CertificateSignature: {"certificate signature wrong", Alarm},
	CertificateKeySize:   {"certificate key too short", Error},

	E2EHandshakeSignature:   {"HandshakeReq signature wrong", Alarm},
	E2EHandshakeCertificate: {"HandshakeReq certificate refused", Error},
	E2EHandshakeAddress:     {"HandshakeReq address mismatch", Alarm},
	E2EHandshakeReplay:      {"HandshakeReq replayed", Alarm},
	E2EClearAlgorithm:       {"ClearTransfer algorithm not the agreed one", Alarm},
	E2EClearICV:             {"ClearTransfer ICV wrong", Alarm},
	E2EClearReplay:          {"ClearTransfer replayed", Alarm},
	E2EEncrAlgorithm:        {"EncrTransfer algorithm not the agreed one", Alarm},
	E2EEncrICV:              {"EncrTransfer ICV wrong", Alarm},
	E2EEncrReplay:           {"EncrTransfer replayed", Alarm},
	E2EIQElementMissing:     {"iq without its element", Error},
	E2ENamespace:            {"element in a wrong namespace", Error},
	E2EStanzaType:           {"SecPDU in a wrong type of stanza", Error},

	StartTLSMissing:       {"STARTTLS not offered", Alarm},
	StartTLSInjection:     {"octets injected before TLS", Alarm},
	SASLDowngrade:         {"no acceptable SASL mechanism", Alarm},
	ChannelBinding:        {"no proof that both ends share the channel", Alarm},
	ServerCertificate:     {"server certificate refused", Error},
	ClientCertificate:     {"client certificate refused", Error},
	CredentialWithdrawn:   {"credential no longer valid", Error},
	RevocationUnknown:     {"nobody tells whether a certificate is revoked", Warning},
	TLSRefused:            {"TLS negotiation refused", Error},
	ServerToServerRefused: {"server-to-server stream refused", Error},
	ResumptionRefused:     {"stream resumption refused", Error},

	RestrictedXML:   {"restricted XML", Error},
	StreamLimit:     {"stream limit exceeded", Error},
	StreamEncoding:  {"stream not in UTF-8", Error},
	StreamMalformed: {"stream not well-formed", Error},
	StreamFlood:     {"limit of connections, time or traffic exceeded", Warning},
	ReplySpoofed:    {"reply from a wrong address", Alarm},

	E2EReplay:         {"SecPDU replayed", Alarm},
	E2EReflection:     {"SecPDU reflected", Alarm},
	E2ETampered:       {"SecPDU tampered with", Alarm},
	E2EAddress:        {"SecPDU address mismatch", Alarm},
	E2EAssociationID:  {"association id not the agreed one", Alarm},
	E2ETime:           {"SecPDU time out of bounds", Error},
	E2ESequence:       {"SecPDU out of sequence", Alarm},
	E2EDowngrade:      {"security agreement violated", Alarm},
	E2EKeyShare:       {"public key refused", Alarm},
	E2ERekey:          {"key change refused", Alarm},
	E2ECertificate:    {"end-to-end certificate refused", Error},
	E2ECanonical:      {"SecPDU not canonical", Error},
	CommandHeldBack:   {"command held back on the way", Alarm},
	E2EHandshakeFlood: {"handshake budget exceeded", Warning},

	RoleRefused:   {"role token refused", Error},
	AccessDenied:  {"access denied", Warning},
	RoleWithdrawn: {"role withdrawn", Warning},

	E2EEstablished:      {"association established", Notice},
	E2EEnded:            {"association ended", Notice},
	E2ERejected:         {"association rejected by the peer", Warning},
	PasswordRefused:     {"login by password refused", Error},
	PeerTaken:           {"MMS peer associated", Notice},
	PeerRefused:         {"MMS peer refused", Error},
	StreamOpened:        {"stream opened", Notice},
	StreamLost:          {"connection of a stream lost, the stream is kept", Notice},
	StreamResumed:       {"stream resumed over another connection", Notice},
	StreamReplaced:      {"stream replaced by a newer one", Warning},
	StreamRetired:       {"stream ended for its age", Notice},
	DomainLost:          {"stream between domains lost", Warning},
	BrokerStarted:       {"broker started", Notice},
	BrokerReloaded:      {"broker has new settings", Notice},
	BrokerReloadRefused: {"new settings refused, the old ones stay", Error},
	BrokerDrained:       {"broker ended", Notice},
	PartyReloaded:       {"party has new keys, certificates or lists", Notice},
	PartyReloadRefused:  {"new keys, certificates or lists refused, the old ones stay", Error},
	TermEnding:          {"certificate or revocation list is to be renewed", Warning},
	StreamSlow:          {"stream ended because its peer reads too slowly", Warning},
	RuleDenied:          {"stanza refused by a rule", Warning},
	AccountMade:         {"account made by a client", Warning},
	AccountRemoved:      {"account removed by its client", Warning},
	SenderSpoofed:       {"stanza stamped with another's address", Alarm},
	ValueWritten:        {"value written", Notice},
	CommandAccepted:     {"command accepted", Notice},
	CommandRefused:      {"command refused", Warning},
	ClockSynced:         {"time synchronised", Notice},
	ClockLost:           {"time no longer synchronised", Warning},
	ClockStepped:        {"time stepped", Warning},
	FileRead:            {"file read", Notice},
	FileWritten:         {"file written", Notice},
	FileDeleted:         {"file deleted", Notice},
	StateLost:           {"state no longer durable", Alarm},
	StateRestored:       {"state durable again", Notice},
}

// Mnemonic returns what the ID stands for in a few words, or the ID itself
// where the table has none.
func (id ID) Mnemonic() string {
	if e, ok := table[id]; ok {
		return e.mnemonic
	}
	return string(id)
}

// Severity returns the severity of the ID's events. An ID that the table does
// not know is an Error.
func (id ID) Severity() Severity {
	if e, ok := table[id]; ok {
		return e.severity
	}
	return Error
}
