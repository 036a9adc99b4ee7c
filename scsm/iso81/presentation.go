package iso81

import (
	"fmt"
	"slices"

	"busbar.example/internal/asn1"
	"busbar.example/internal/asn1/ber"
)

// The names that presentation and ACSE go by.
//
// ITU-T X.227, 8.2; ISO 9506-2; ITU-T X.690.
const (
	acseSyntax  = "2.2.1.0.1"
	mmsSyntax   = "1.0.9506.2.1"
	berSyntax   = "2.1.1"
	mmsContext  = "1.0.9506.2.3" // application context
	acseContext = 1              // the identifiers that we propose
	ourMMS      = 3
)

// connectPPDU opens a presentation connection (CP).
//
// ITU-T X.226, 8.2: CP-type.
type connectPPDU struct {
	ModeSelector modeSelector       `asn:"mode-selector [0]"`
	Normal       *connectParameters `asn:"normal-mode-parameters [2] OPTIONAL"` // nil: X.410 mode
	_            struct{}           `asn:"..."`
}

type modeSelector struct {
	Value int32    `asn:"mode-value [0]"`
	_     struct{} `asn:"..."`
}

const normalMode = 1

type connectParameters struct {
	Version      *versionBits        `asn:"protocol-version [0] OPTIONAL"` // nil: version 1
	Calling      []byte              `asn:"calling-presentation-selector [1] OPTIONAL"`
	Called       []byte              `asn:"called-presentation-selector [2] OPTIONAL"`
	Contexts     []contextDefinition `asn:"presentation-context-definition-list [4] SEQUENCE OF SEQUENCE OPTIONAL"`
	Default      *contextName        `asn:"default-context-name [6] OPTIONAL"`
	Requirements *unitBits           `asn:"presentation-requirements [8] OPTIONAL"`
	Session      *unitBits           `asn:"user-session-requirements [9] OPTIONAL"`
	UserData     userData            `asn:"user-data OPTIONAL"`
	_            struct{}            `asn:"..."`
}

type contextDefinition struct {
	ID       int32    `asn:"presentation-context-identifier"`
	Abstract string   `asn:"abstract-syntax-name OBJECT IDENTIFIER"`
	Transfer []string `asn:"transfer-syntax-name-list SEQUENCE OF OBJECT IDENTIFIER"`
}

type contextName struct {
	Abstract string   `asn:"abstract-syntax-name [0] OBJECT IDENTIFIER"`
	Transfer string   `asn:"transfer-syntax-name [1] OBJECT IDENTIFIER OPTIONAL"`
	_        struct{} `asn:"..."`
}

type (
	versionBits uint32
	unitBits    uint32
)

// acceptPPDU accepts a presentation connection (CPA).
//
// ITU-T X.226, 8.2: CPA-PPDU.
type acceptPPDU struct {
	ModeSelector modeSelector      `asn:"mode-selector [0]"`
	Normal       *acceptParameters `asn:"normal-mode-parameters [2] OPTIONAL"`
	_            struct{}          `asn:"..."`
}

type acceptParameters struct {
	Version      *versionBits    `asn:"protocol-version [0] OPTIONAL"`
	Responding   []byte          `asn:"responding-presentation-selector [3] OPTIONAL"`
	Results      []contextResult `asn:"presentation-context-definition-result-list [5] SEQUENCE OF SEQUENCE OPTIONAL"`
	Requirements *unitBits       `asn:"presentation-requirements [8] OPTIONAL"`
	Session      *unitBits       `asn:"user-session-requirements [9] OPTIONAL"`
	UserData     userData        `asn:"user-data OPTIONAL"`
	_            struct{}        `asn:"..."`
}

type contextResult struct {
	Result   int32    `asn:"result [0]"`
	Transfer string   `asn:"transfer-syntax-name [1] OBJECT IDENTIFIER OPTIONAL"`
	Reason   *int32   `asn:"provider-reason [2] OPTIONAL"`
	_        struct{} `asn:"..."`
}

// What becomes of a proposed context, and why the provider does not take it.
const (
	contextAccepted         = 0
	contextProviderRejected = 2

	contextAbstractUnknown = 1
	contextTransferUnknown = 2
	contextTooMany         = 3
)

// refusePPDU refuses a presentation connection (CPR).
//
// ITU-T X.226, 8.2: CPR-PPDU.
type refusePPDU struct {
	Version    *versionBits    `asn:"protocol-version [0] OPTIONAL"`
	Responding []byte          `asn:"responding-presentation-selector [3] OPTIONAL"`
	Results    []contextResult `asn:"presentation-context-definition-result-list [5] SEQUENCE OF SEQUENCE OPTIONAL"`
	Default    *int32          `asn:"default-context-result [7] OPTIONAL"`
	Reason     *ProviderReason `asn:"provider-reason [10] OPTIONAL"` // nil: the user refused
	UserData   userData        `asn:"user-data OPTIONAL"`
	_          struct{}        `asn:"..."`
}

// ProviderReason is why presentation refused a connection.
//
// ITU-T X.226, 8.2: Provider-reason.
type ProviderReason int32

// The reasons that are given here.
const (
	ProviderAddressUnknown     ProviderReason = 3
	ProviderVersion            ProviderReason = 4
	ProviderDefaultContext     ProviderReason = 5
	ProviderUserDataUnreadable ProviderReason = 6
)

var providerNames = map[ProviderReason]string{0: "reason not specified", 1: "temporary congestion", 2: "local limit exceeded", 3: "called presentation address unknown",
	4: "protocol version not supported", 5: "default context not supported", 6: "user data not readable", 7: "no PSAP available"}

// String says the reason in words.
func (r ProviderReason) String() string { return nameOf(providerNames, r) }

// abortPPDU is *userAbort (ARU) or *providerAbort (ARP).
//
// ITU-T X.226, 8.2: Abort-type.
type abortPPDU interface{ abortPPDU() }

type userAbort struct {
	Contexts []abortContext `asn:"presentation-context-identifier-list [0] SEQUENCE OF SEQUENCE OPTIONAL"`
	UserData userData       `asn:"user-data OPTIONAL"`
	_        struct{}       `asn:"..."`
}

type abortContext struct {
	ID       int32  `asn:"presentation-context-identifier"`
	Transfer string `asn:"transfer-syntax-name OBJECT IDENTIFIER"`
}

type providerAbort struct {
	Reason *AbortReason `asn:"provider-reason [0] OPTIONAL"`
	Event  *int32       `asn:"event-identifier [1] OPTIONAL"`
	_      struct{}     `asn:"..."`
}

func (*userAbort) abortPPDU()     {}
func (*providerAbort) abortPPDU() {}

// AbortReason is why presentation aborted a connection.
//
// ITU-T X.226, 8.2: Abort-reason.
type AbortReason int32

// The reasons that are given here.
const (
	AbortUnrecognizedPPDU AbortReason = 1
	AbortUnexpectedPPDU   AbortReason = 2
	AbortInvalidParameter AbortReason = 6
)

var abortNames = map[AbortReason]string{0: "reason not specified", 1: "unrecognized PPDU", 2: "unexpected PPDU", 3: "unexpected session service primitive",
	4: "unrecognized PPDU parameter", 5: "unexpected PPDU parameter", 6: "invalid PPDU parameter value"}

// String says the reason in words.
func (r AbortReason) String() string { return nameOf(abortNames, r) }

// userData is simplyEncoded or fullyEncoded.
//
// ITU-T X.226, 8.2: User-data.
type userData interface{ userData() }

type (
	simplyEncoded []byte
	fullyEncoded  []pdvList
)

func (simplyEncoded) userData() {}
func (fullyEncoded) userData()  {}

// pdvList holds values of one presentation context.
type pdvList struct {
	Transfer string   `asn:"transfer-syntax-name OBJECT IDENTIFIER OPTIONAL"`
	Context  int32    `asn:"presentation-context-identifier"`
	Values   encoding `asn:"presentation-data-values"`
}

// encoding is values of another syntax, in PDV lists and in EXTERNAL: singleType, octetAligned or arbitraryBits.
type encoding interface {
	// octets are the values in BER, one after the other; ok is false where there are not whole octets.
	octets() (b []byte, ok bool)
}

type (
	singleType struct {
		Value asn1.Open `asn:"TRANSPARENT"`
	}
	octetAligned  []byte
	arbitraryBits []byte // a BIT STRING: first the number of bits that are not used
)

func (e singleType) octets() ([]byte, bool)   { return e.Value, true }
func (e octetAligned) octets() ([]byte, bool) { return e, true }
func (e arbitraryBits) octets() ([]byte, bool) {
	if len(e) == 0 || e[0] != 0 {
		return nil, false
	}
	return e[1:], true
}

// module is what the struct tags of the types of presentation and ACSE cannot say.
var module = asn1.NewModule(
	asn1.Set[connectPPDU]("CP-type"),
	asn1.Set[acceptPPDU]("CPA-PPDU"),
	asn1.Set[modeSelector]("Mode-selector"),
	asn1.Choice[abortPPDU]("Abort-type", asn1.Alt[*userAbort]("aru-ppdu [0]"), asn1.Alt[*providerAbort]("arp-ppdu")),
	asn1.Choice[userData]("User-data",
		asn1.Alt[simplyEncoded]("simply-encoded-data [APPLICATION 0]"),
		asn1.Alt[fullyEncoded]("fully-encoded-data [APPLICATION 1] SEQUENCE OF PDV-list")),
	asn1.Choice[encoding]("CHOICE",
		asn1.Alt[singleType]("single-ASN1-type [0]"),
		asn1.Alt[octetAligned]("octet-aligned [1]"),
		asn1.Alt[arbitraryBits]("arbitrary [2]")),
	asn1.NamedBits[versionBits]("Protocol-version", 1, nil),
	asn1.NamedBits[unitBits]("BIT STRING", 1, nil),
	asn1.Tagged[external]("EXTERNAL", 8),
	asn1.NamedBits[requirementBits]("ACSE-requirements", 1, nil),
	asn1.Choice[apdu]("ACSE-apdu",
		asn1.Alt[*associateRequest]("aarq [APPLICATION 0]"),
		asn1.Alt[*associateResponse]("aare [APPLICATION 1]"),
		asn1.Alt[*releaseRequest]("rlrq [APPLICATION 2]"),
		asn1.Alt[*releaseResponse]("rlre [APPLICATION 3]"),
		asn1.Alt[*abortAPDU]("abrt [APPLICATION 4]")),
	asn1.Choice[diagnostic]("Associate-source-diagnostic",
		asn1.Alt[UserDiagnostic]("acse-service-user [1] EXPLICIT"),
		asn1.Alt[ProviderDiagnostic]("acse-service-provider [2] EXPLICIT")),
	asn1.Choice[authenticationValue]("Authentication-value",
		asn1.Alt[charString]("charstring [0]"),
		asn1.Alt[bitString]("bitstring [1]"),
		asn1.Alt[*externalValue]("external [2]"),
		asn1.Alt[*otherValue]("other [3]")),
)

var (
	connectType  = asn1.Compile[connectPPDU](module)
	acceptType   = asn1.Compile[acceptPPDU](module)
	refuseType   = asn1.Compile[refusePPDU](module)
	abortType    = asn1.Compile[abortPPDU](module)
	userDataType = asn1.Compile[userData](module)
	apduType     = asn1.Compile[apdu](module)
)

// limits bound what is decoded of presentation and ACSE. The size of their PDUs is that of the TSDU.
var limits = asn1.Limits{MaxSize: 1 << 30, MaxDepth: 16, MaxItems: 1024}

// decode reads what a layer's PDU holds, in BER of any form.
func (n lenient) decode(layer Layer, what string, b []byte, t *asn1.Type, out any) *ProtocolError {
	if err := (ber.Lenient{AnyLength: true, AnyInteger: n.anyEncoding}).Decode(b, t, out, limits); err != nil {
		return &ProtocolError{Layer: layer, Text: what, Err: err}
	}
	return nil
}

// encode encodes what this package has made, which always has an encoding: what callers give was checked before.
func encode(t *asn1.Type, v any) []byte {
	b, err := ber.Append(nil, t, v)
	if err != nil {
		panic(fmt.Sprintf("iso81: %v", err))
	}
	return b
}

// inContext is user data of one value in one context.
func inContext(id int32, value []byte) userData {
	return fullyEncoded{{Context: id, Values: singleType{value}}}
}

// judge decides on the contexts that a peer proposes: one for ACSE, one for MMS, with BER. Others are refused one by one.
func judge(proposed []contextDefinition) (results []contextResult, acse, mms *int32) {
	for _, d := range proposed {
		var slot **int32
		switch d.Abstract {
		case acseSyntax:
			slot = &acse
		case mmsSyntax:
			slot = &mms
		}
		r := contextResult{Result: contextProviderRejected}
		reason := int32(0)
		switch {
		case slot == nil:
			reason = contextAbstractUnknown
		case !slices.Contains(d.Transfer, berSyntax):
			reason = contextTransferUnknown
		case *slot != nil:
			reason = contextTooMany
		default:
			id := d.ID
			*slot = &id
			results = append(results, contextResult{Result: contextAccepted, Transfer: berSyntax})
			continue
		}
		r.Reason = &reason
		results = append(results, r)
	}
	return results, acse, mms
}
