package iso81

import "slices"

// The SPDUs of the kernel and duplex functional units. GIVE TOKENS and DATA TRANSFER have the same identifier: in a TSDU the
// first is GIVE TOKENS.
//
// ITU-T X.225, 8.3.
const (
	siData         = 1 // also GIVE TOKENS
	siPleaseTokens = 2
	siNotFinished  = 8
	siFinish       = 9
	siDisconnect   = 10
	siRefuse       = 12
	siConnect      = 13
	siAccept       = 14
	siOverflow     = 15 // CONNECT DATA OVERFLOW
	siAbort        = 25
	siAbortAccept  = 26
)

// The parameters, single and of groups.
const (
	pgiConnectionID  = 1
	pgiConnectAccept = 5
	piToken          = 16
	piTransport      = 17
	piOptions        = 19
	piRequirements   = 20
	piTSDUSize       = 21
	piVersion        = 22
	piEnclosure      = 25
	piReason         = 50
	piCalling        = 51
	piCalled         = 52 // in ACCEPT: responding
	piDataOverflow   = 60
	pgiUserData      = 193
	pgiExtended      = 194
)

const (
	duplex       = 0x0002 // of the functional units
	defaultUnits = 0x0349 // where CONNECT does not say: X.225, 8.3.1.16
	version1     = 1      // bits of the protocol versions
	version2     = 2

	mostUserData = 512   // octets of user data in CONNECT that are not extended
	mostExtended = 10240 // octets of extended user data; beyond, CONNECT DATA OVERFLOW
)

// The bits of the transport disconnect parameter, of ABORT.
const (
	releaseTransport = 1
	abortUser        = 2
	abortProtocol    = 4
	abortNoReason    = 8
)

// RefuseReason is why a session was refused.
//
// ITU-T X.225, 8.3.5.10.
type RefuseReason byte

// The reasons that are given here.
const (
	RefusedByUser           RefuseReason = 2
	RefuseSelectorUnknown   RefuseReason = 129
	RefuseVersion           RefuseReason = 132
	RefuseRestriction       RefuseReason = 134
	refuseUnspecified       RefuseReason = 133
	refuseUserNotSpecified  RefuseReason = 0
	refuseCalledUserBusy    RefuseReason = 1
	refuseNotAttached       RefuseReason = 130
	refuseCongestionAtSetup RefuseReason = 131
)

var refuseNames = map[RefuseReason]string{refuseUserNotSpecified: "rejected by the called user", refuseCalledUserBusy: "temporary congestion of the called user",
	RefusedByUser: "rejected by the called user", RefuseSelectorUnknown: "session selector unknown", refuseNotAttached: "no user at the session selector",
	refuseCongestionAtSetup: "congestion", RefuseVersion: "proposed protocol versions not supported", refuseUnspecified: "rejected, reason not specified",
	RefuseRestriction: "implementation restriction"}

// String says the reason in words.
func (r RefuseReason) String() string { return nameOf(refuseNames, r) }

// spdu is any SPDU that this stack knows.
type spdu struct {
	kind      byte
	options   byte   // CN, AC
	version   byte   // CN, AC, RF: bits
	units     uint16 // CN, AC: functional units
	calling   []byte // CN, AC: selectors, nil where there is none
	called    []byte // CN; AC: responding
	transport byte   // FN, RF, AB
	reason    []byte // RF: the reason and what follows it
	enclosure byte   // 0: not said
	overflow  bool   // CN: more user data is to come
	reference bool   // CN, AC: there is a connection identifier
	data      []byte // user data; DT: user information
	alone     bool   // DT: without GIVE TOKENS
}

// parseSPDU reads the SPDUs of a TSDU: one of category 1, or GIVE TOKENS and DATA TRANSFER. Parameters that are not known are
// passed over. What it returns shares the memory of b.
func parseSPDU(b []byte) (spdu, error) {
	s, rest, err := parseOne(b)
	if err != nil {
		return s, err
	}
	if s.kind != siData && s.kind != siPleaseTokens {
		if len(rest) > 0 {
			return s, protocolError(LayerSession, "%d octets follow an SPDU that stands alone", len(rest))
		}
		return s, nil
	}
	switch {
	case len(rest) > 0 && rest[0] == siData:
		s, rest, err = parseOne(rest)
	case s.kind == siPleaseTokens:
		return s, protocolError(LayerSession, "PLEASE TOKENS without data")
	default:
		s.alone = true
	}
	s.data = rest
	return s, err
}

// parseOne reads the SPDU at the head of b.
func parseOne(b []byte) (spdu, []byte, error) {
	if len(b) < 2 {
		return spdu{}, nil, protocolError(LayerSession, "an SPDU of %d octets", len(b))
	}
	s := spdu{kind: b[0], version: version1, units: defaultUnits}
	parameters, rest, ok := lengthPrefixed(b[1:])
	if !ok {
		return s, nil, protocolError(LayerSession, "SPDU %d is longer than its TSDU", s.kind)
	}
	return s, rest, s.parameters(parameters)
}

// lengthPrefixed splits b behind its length indicator and so many octets.
//
// ITU-T X.225, 8.2.5.
func lengthPrefixed(b []byte) (content, rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, nil, false
	}
	n, header := int(b[0]), 1
	if n == 255 {
		if len(b) < 3 {
			return nil, nil, false
		}
		n, header = int(be16(b[1:])), 3
	}
	if n > len(b)-header {
		return nil, nil, false
	}
	return b[header : header+n], b[header+n:], true
}

// parameters reads the parameters of s, or those of a group.
func (s *spdu) parameters(b []byte) error {
	for len(b) > 0 {
		code := b[0]
		v, rest, ok := lengthPrefixed(b[1:])
		if !ok {
			return protocolError(LayerSession, "parameter %d of SPDU %d is longer than what it is in", code, s.kind)
		}
		b = rest
		if want, fixed := parameterLengths[code]; fixed && len(v) != want {
			return protocolError(LayerSession, "parameter %d of %d octets", code, len(v))
		}
		if err := s.parameter(code, v); err != nil {
			return err
		}
	}
	return nil
}

var parameterLengths = map[byte]int{piOptions: 1, piRequirements: 2, piVersion: 1, piEnclosure: 1, piTransport: 1}

func (s *spdu) parameter(code byte, v []byte) error {
	switch code {
	case pgiConnectAccept:
		return s.parameters(v)
	case pgiConnectionID:
		s.reference = true
	case piOptions:
		s.options = v[0]
	case piVersion:
		s.version = v[0]
	case piRequirements:
		s.units = be16(v)
	case piTransport:
		s.transport = v[0]
	case piEnclosure:
		s.enclosure = v[0]
	case piDataOverflow:
		s.overflow = len(v) > 0 && v[0]&1 != 0
	case piReason:
		s.reason = v
	case piCalling, piCalled:
		if len(v) > mostSelector {
			return protocolError(LayerSession, "a selector of %d octets", len(v))
		}
		if code == piCalling {
			s.calling = v
		} else {
			s.called = v
		}
	case pgiUserData, pgiExtended:
		s.data = v
	}
	return nil
}

// append appends s, which is of category 1, as a TSDU.
func (s *spdu) append(dst []byte) []byte {
	p := make([]byte, 0, 64+len(s.data))
	switch s.kind {
	case siConnect, siAccept:
		p = append(p, pgiConnectAccept, 6, piOptions, 1, s.options, piVersion, 1, s.version)
		p = append(p, piRequirements, 2, byte(s.units>>8), byte(s.units))
		p = appendSelector(p, piCalling, s.calling)
		p = appendSelector(p, piCalled, s.called)
	case siFinish, siAbort:
		if s.transport != 0 {
			p = append(p, piTransport, 1, s.transport)
		}
	case siRefuse:
		p = append(p, piTransport, 1, s.transport, piRequirements, 2, byte(s.units>>8), byte(s.units), piVersion, 1, s.version)
		p = appendParameter(p, piReason, slices.Concat(s.reason, s.data))
	}
	switch {
	case s.kind == siRefuse || len(s.data) == 0:
	case s.kind == siConnect && len(s.data) > mostUserData:
		p = appendParameter(p, pgiExtended, s.data)
	default:
		p = appendParameter(p, pgiUserData, s.data)
	}
	return appendParameter(dst, s.kind, p)
}

// appendParameter appends identifier, length indicator and content.
func appendParameter(dst []byte, code byte, v []byte) []byte {
	if len(v) < 255 {
		dst = append(dst, code, byte(len(v)))
	} else {
		dst = append(dst, code, 255, byte(len(v)>>8), byte(len(v)))
	}
	return append(dst, v...)
}
