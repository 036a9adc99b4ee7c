package iso81

import (
	"crypto/x509/pkix"
	stdasn1 "encoding/asn1"
	"encoding/hex"
	"strconv"

	"busbar.example/internal/asn1"
)

// apdu is one PDU of ACSE: *associateRequest, *associateResponse, *releaseRequest, *releaseResponse or *abortAPDU.
//
// ITU-T X.227, 9.1: ACSE-apdu.
type apdu interface{ apdu() }

// associateRequest is AARQ. Titles and qualifiers are kept as they came: titleText and qualifierText read them.
type associateRequest struct {
	Version             *versionBits        `asn:"protocol-version [0] OPTIONAL"` // nil: version 1
	Context             string              `asn:"application-context-name [1] EXPLICIT OBJECT IDENTIFIER"`
	CalledAPTitle       asn1.Open           `asn:"called-AP-title [2] OPTIONAL"`
	CalledAEQualifier   asn1.Open           `asn:"called-AE-qualifier [3] OPTIONAL"`
	CalledAPInvocation  asn1.Open           `asn:"called-AP-invocation-identifier [4] OPTIONAL"`
	CalledAEInvocation  asn1.Open           `asn:"called-AE-invocation-identifier [5] OPTIONAL"`
	CallingAPTitle      asn1.Open           `asn:"calling-AP-title [6] OPTIONAL"`
	CallingAEQualifier  asn1.Open           `asn:"calling-AE-qualifier [7] OPTIONAL"`
	CallingAPInvocation asn1.Open           `asn:"calling-AP-invocation-identifier [8] OPTIONAL"`
	CallingAEInvocation asn1.Open           `asn:"calling-AE-invocation-identifier [9] OPTIONAL"`
	Requirements        *requirementBits    `asn:"sender-acse-requirements [10] OPTIONAL"`
	Mechanism           string              `asn:"mechanism-name [11] OBJECT IDENTIFIER OPTIONAL"`
	Authentication      authenticationValue `asn:"calling-authentication-value [12] OPTIONAL"`
	UserInformation     []external          `asn:"user-information [30] SEQUENCE OF EXTERNAL OPTIONAL"`
	_                   struct{}            `asn:"..."`
}

// associateResponse is AARE.
type associateResponse struct {
	Version         *versionBits        `asn:"protocol-version [0] OPTIONAL"`
	Context         string              `asn:"application-context-name [1] EXPLICIT OBJECT IDENTIFIER"`
	Result          associateResult     `asn:"result [2] EXPLICIT"`
	Diagnostic      diagnostic          `asn:"result-source-diagnostic [3]"`
	APTitle         asn1.Open           `asn:"responding-AP-title [4] OPTIONAL"`
	AEQualifier     asn1.Open           `asn:"responding-AE-qualifier [5] OPTIONAL"`
	APInvocation    asn1.Open           `asn:"responding-AP-invocation-identifier [6] OPTIONAL"`
	AEInvocation    asn1.Open           `asn:"responding-AE-invocation-identifier [7] OPTIONAL"`
	Requirements    *requirementBits    `asn:"responder-acse-requirements [8] OPTIONAL"`
	Mechanism       string              `asn:"mechanism-name [9] OBJECT IDENTIFIER OPTIONAL"`
	Authentication  authenticationValue `asn:"responding-authentication-value [10] OPTIONAL"`
	UserInformation []external          `asn:"user-information [30] SEQUENCE OF EXTERNAL OPTIONAL"`
	_               struct{}            `asn:"..."`
}

type associateResult int32

const (
	associateAccepted          associateResult = 0
	associateRejectedPermanent associateResult = 1
)

// diagnostic is why an association was refused: UserDiagnostic or ProviderDiagnostic.
//
// ITU-T X.227, 9.1: Associate-source-diagnostic.
type diagnostic interface {
	String() string
	diagnostic() int
}

// UserDiagnostic is why the user of ACSE refused an association.
//
// ITU-T X.227, 9.1: acse-service-user.
type UserDiagnostic int32

// The diagnostics.
const (
	DiagnosticNull                       UserDiagnostic = 0
	DiagnosticNoReason                   UserDiagnostic = 1
	DiagnosticApplicationContext         UserDiagnostic = 2
	DiagnosticCallingAPTitle             UserDiagnostic = 3
	DiagnosticCallingAEQualifier         UserDiagnostic = 5
	DiagnosticCalledAPTitle              UserDiagnostic = 7
	DiagnosticCalledAEQualifier          UserDiagnostic = 9
	DiagnosticMechanismUnknown           UserDiagnostic = 11
	DiagnosticMechanismRequired          UserDiagnostic = 12
	DiagnosticAuthenticationFailure      UserDiagnostic = 13
	DiagnosticAuthenticationRequired     UserDiagnostic = 14
	diagnosticCallingAPInvocationUnknown UserDiagnostic = 4
	diagnosticCallingAEInvocationUnknown UserDiagnostic = 6
	diagnosticCalledAPInvocationUnknown  UserDiagnostic = 8
	diagnosticCalledAEInvocationUnknown  UserDiagnostic = 10
)

var userDiagnosticNames = map[UserDiagnostic]string{DiagnosticNull: "null", DiagnosticNoReason: "no reason given",
	DiagnosticApplicationContext: "application context name not supported", DiagnosticCallingAPTitle: "calling AP title not recognized",
	diagnosticCallingAPInvocationUnknown: "calling AP invocation identifier not recognized", DiagnosticCallingAEQualifier: "calling AE qualifier not recognized",
	diagnosticCallingAEInvocationUnknown: "calling AE invocation identifier not recognized", DiagnosticCalledAPTitle: "called AP title not recognized",
	diagnosticCalledAPInvocationUnknown: "called AP invocation identifier not recognized", DiagnosticCalledAEQualifier: "called AE qualifier not recognized",
	diagnosticCalledAEInvocationUnknown: "called AE invocation identifier not recognized", DiagnosticMechanismUnknown: "authentication mechanism name not recognized",
	DiagnosticMechanismRequired: "authentication mechanism name required", DiagnosticAuthenticationFailure: "authentication failure",
	DiagnosticAuthenticationRequired: "authentication required"}

// String says the diagnostic in words.
func (d UserDiagnostic) String() string { return nameOf(userDiagnosticNames, d) }

func (d UserDiagnostic) diagnostic() int { return int(d) }

// ProviderDiagnostic is why ACSE itself refused an association.
//
// ITU-T X.227, 9.1: acse-service-provider.
type ProviderDiagnostic int32

const diagnosticNoCommonVersion ProviderDiagnostic = 2

var providerDiagnosticNames = map[ProviderDiagnostic]string{0: "null", 1: "no reason given", diagnosticNoCommonVersion: "no common ACSE version"}

// String says the diagnostic in words.
func (d ProviderDiagnostic) String() string { return nameOf(providerDiagnosticNames, d) }

func (d ProviderDiagnostic) diagnostic() int { return int(d) }

type requirementBits uint32

const requireAuthentication requirementBits = 1

// releaseRequest is RLRQ.
type releaseRequest struct {
	Reason          *int32     `asn:"reason [0] OPTIONAL"`
	UserInformation []external `asn:"user-information [30] SEQUENCE OF EXTERNAL OPTIONAL"`
	_               struct{}   `asn:"..."`
}

// releaseResponse is RLRE.
type releaseResponse struct {
	Reason          *int32     `asn:"reason [0] OPTIONAL"`
	UserInformation []external `asn:"user-information [30] SEQUENCE OF EXTERNAL OPTIONAL"`
	_               struct{}   `asn:"..."`
}

// abortAPDU is ABRT.
type abortAPDU struct {
	Source          int32      `asn:"abort-source [0]"`
	Diagnostic      *int32     `asn:"abort-diagnostic [1] OPTIONAL"`
	UserInformation []external `asn:"user-information [30] SEQUENCE OF EXTERNAL OPTIONAL"`
	_               struct{}   `asn:"..."`
}

// Who aborts, and why.
const (
	abortByUser     = 0
	abortByProvider = 1

	abortProtocolError = 2
)

func (*associateRequest) apdu()  {}
func (*associateResponse) apdu() {}
func (*releaseRequest) apdu()    {}
func (*releaseResponse) apdu()   {}
func (*abortAPDU) apdu()         {}

// external is a value of another syntax: the context that indirect-reference names, or else that of MMS.
//
// ITU-T X.690, 8.18.
type external struct {
	Direct     string   `asn:"direct-reference OBJECT IDENTIFIER OPTIONAL"`
	Indirect   *int32   `asn:"indirect-reference OPTIONAL"`
	Descriptor []byte   `asn:"data-value-descriptor [UNIVERSAL 7] OPTIONAL"`
	Encoding   encoding `asn:"encoding"`
}

// authenticationValue is charString, bitString, *externalValue or *otherValue.
//
// ITU-T X.227, 9.1: Authentication-value.
type authenticationValue interface{ authenticationValue() }

type (
	charString    []byte // passwords are seldom GraphicStrings only
	bitString     []byte // first the number of bits that are not used
	externalValue struct {
		External external `asn:"TRANSPARENT"`
	}
	otherValue struct {
		Mechanism string    `asn:"other-mechanism-name OBJECT IDENTIFIER"`
		Value     asn1.Open `asn:"other-mechanism-value"`
	}
)

func (charString) authenticationValue()     {}
func (bitString) authenticationValue()      {}
func (*externalValue) authenticationValue() {}
func (*otherValue) authenticationValue()    {}

// titleText reads an AP title: dotted decimal where it is form 2, a distinguished name where it is form 1, else hexadecimal.
//
// ITU-T X.227, 9.1: AP-title.
func titleText(title asn1.Open) string {
	if title == nil {
		return ""
	}
	var id stdasn1.ObjectIdentifier
	if rest, err := stdasn1.Unmarshal(title, &id); err == nil && len(rest) == 0 {
		return id.String()
	}
	var name pkix.RDNSequence
	if rest, err := stdasn1.Unmarshal(title, &name); err == nil && len(rest) == 0 {
		return name.String()
	}
	return hex.EncodeToString(title)
}

// qualifierText reads an AE qualifier: a number where it is form 2, a relative distinguished name where it is form 1.
//
// ITU-T X.227, 9.1: AE-qualifier.
func qualifierText(qualifier asn1.Open) string {
	if qualifier == nil {
		return ""
	}
	var number int64
	if rest, err := stdasn1.Unmarshal(qualifier, &number); err == nil && len(rest) == 0 {
		return strconv.FormatInt(number, 10)
	}
	return hex.EncodeToString(qualifier)
}
