package mms

import "busbar.example/internal/asn1"

// Reject says that a PDU could not be understood.
//
// ISO 9506-2, RejectPDU.
type Reject struct {
	OriginalInvokeID *uint32      `asn:"originalInvokeID [0] OPTIONAL"` // nil: not known
	RejectReason     RejectReason `asn:"rejectReason"`
}

// RejectReason is a kind of PDU and why it was rejected, one of the types below. Reasons compare with ==. String gives the
// standard's word for the reason.
//
// ISO 9506-2, RejectPDU.
type RejectReason interface {
	String() string
	rejectReason()
}

// The kinds of PDU that are rejected. PDUError is for what is no PDU at all.
type (
	RejectConfirmedRequest  int32
	RejectConfirmedResponse int32
	RejectConfirmedError    int32
	RejectUnconfirmed       int32
	PDUError                int32
	RejectCancelRequest     int32
	RejectCancelResponse    int32
	RejectCancelError       int32
	RejectConcludeRequest   int32
	RejectConcludeResponse  int32
	RejectConcludeError     int32
)

// The reasons for each kind.
const (
	RejectOther                      RejectConfirmedRequest = 0
	RejectUnrecognizedService        RejectConfirmedRequest = 1
	RejectUnrecognizedModifier       RejectConfirmedRequest = 2
	RejectInvalidInvokeID            RejectConfirmedRequest = 3
	RejectInvalidArgument            RejectConfirmedRequest = 4
	RejectInvalidModifier            RejectConfirmedRequest = 5
	RejectMaxServOutstandingExceeded RejectConfirmedRequest = 6
	RejectMaxRecursionExceeded       RejectConfirmedRequest = 8
	RejectValueOutOfRange            RejectConfirmedRequest = 9

	RejectResponseOther                RejectConfirmedResponse = 0
	RejectResponseUnrecognizedService  RejectConfirmedResponse = 1
	RejectResponseInvalidInvokeID      RejectConfirmedResponse = 2
	RejectResponseInvalidResult        RejectConfirmedResponse = 3
	RejectResponseMaxRecursionExceeded RejectConfirmedResponse = 5
	RejectResponseValueOutOfRange      RejectConfirmedResponse = 6

	RejectErrorOther               RejectConfirmedError = 0
	RejectErrorUnrecognizedService RejectConfirmedError = 1
	RejectErrorInvalidInvokeID     RejectConfirmedError = 2
	RejectErrorInvalidServiceError RejectConfirmedError = 3
	RejectErrorValueOutOfRange     RejectConfirmedError = 4

	RejectUnconfirmedOther                RejectUnconfirmed = 0
	RejectUnconfirmedUnrecognizedService  RejectUnconfirmed = 1
	RejectUnconfirmedInvalidArgument      RejectUnconfirmed = 2
	RejectUnconfirmedMaxRecursionExceeded RejectUnconfirmed = 3
	RejectUnconfirmedValueOutOfRange      RejectUnconfirmed = 4

	PDUErrorUnknownPDUType     PDUError = 0
	PDUErrorInvalidPDU         PDUError = 1
	PDUErrorIllegalACSEMapping PDUError = 2

	RejectCancelRequestOther           RejectCancelRequest = 0
	RejectCancelRequestInvalidInvokeID RejectCancelRequest = 1

	RejectCancelResponseOther           RejectCancelResponse = 0
	RejectCancelResponseInvalidInvokeID RejectCancelResponse = 1

	RejectCancelErrorOther               RejectCancelError = 0
	RejectCancelErrorInvalidInvokeID     RejectCancelError = 1
	RejectCancelErrorInvalidServiceError RejectCancelError = 2
	RejectCancelErrorValueOutOfRange     RejectCancelError = 3

	RejectConcludeRequestOther           RejectConcludeRequest = 0
	RejectConcludeRequestInvalidArgument RejectConcludeRequest = 1

	RejectConcludeResponseOther         RejectConcludeResponse = 0
	RejectConcludeResponseInvalidResult RejectConcludeResponse = 1

	RejectConcludeErrorOther               RejectConcludeError = 0
	RejectConcludeErrorInvalidServiceError RejectConcludeError = 1
	RejectConcludeErrorValueOutOfRange     RejectConcludeError = 2
)

var (
	rejectConfirmedRequestNames  = asn1.Names{"other", "unrecognized-service", "unrecognized-modifier", "invalid-invokeID", "invalid-argument", "invalid-modifier", "max-serv-outstanding-exceeded", "", "max-recursion-exceeded", "value-out-of-range"}
	rejectConfirmedResponseNames = asn1.Names{"other", "unrecognized-service", "invalid-invokeID", "invalid-result", "", "max-recursion-exceeded", "value-out-of-range"}
	rejectConfirmedErrorNames    = asn1.Names{"other", "unrecognized-service", "invalid-invokeID", "invalid-serviceError", "value-out-of-range"}
	rejectUnconfirmedNames       = asn1.Names{"other", "unrecognized-service", "invalid-argument", "max-recursion-exceeded", "value-out-of-range"}
	pduErrorNames                = asn1.Names{"unknown-pdu-type", "invalid-pdu", "illegal-acse-mapping"}
	rejectCancelRequestNames     = asn1.Names{"other", "invalid-invokeID"}
	rejectCancelResponseNames    = asn1.Names{"other", "invalid-invokeID"}
	rejectCancelErrorNames       = asn1.Names{"other", "invalid-invokeID", "invalid-serviceError", "value-out-of-range"}
	rejectConcludeRequestNames   = asn1.Names{"other", "invalid-argument"}
	rejectConcludeResponseNames  = asn1.Names{"other", "invalid-result"}
	rejectConcludeErrorNames     = asn1.Names{"other", "invalid-serviceError", "value-out-of-range"}
)

func (RejectConfirmedRequest) rejectReason()  {}
func (RejectConfirmedResponse) rejectReason() {}
func (RejectConfirmedError) rejectReason()    {}
func (RejectUnconfirmed) rejectReason()       {}
func (PDUError) rejectReason()                {}
func (RejectCancelRequest) rejectReason()     {}
func (RejectCancelResponse) rejectReason()    {}
func (RejectCancelError) rejectReason()       {}
func (RejectConcludeRequest) rejectReason()   {}
func (RejectConcludeResponse) rejectReason()  {}
func (RejectConcludeError) rejectReason()     {}

// String gives the standard's word for r.
func (r RejectConfirmedRequest) String() string { return rejectConfirmedRequestNames.Text(int64(r)) }

// String gives the standard's word for r.
func (r RejectConfirmedResponse) String() string { return rejectConfirmedResponseNames.Text(int64(r)) }

// String gives the standard's word for r.
func (r RejectConfirmedError) String() string { return rejectConfirmedErrorNames.Text(int64(r)) }

// String gives the standard's word for r.
func (r RejectUnconfirmed) String() string { return rejectUnconfirmedNames.Text(int64(r)) }

// String gives the standard's word for r.
func (r PDUError) String() string { return pduErrorNames.Text(int64(r)) }

// String gives the standard's word for r.
func (r RejectCancelRequest) String() string { return rejectCancelRequestNames.Text(int64(r)) }

// String gives the standard's word for r.
func (r RejectCancelResponse) String() string { return rejectCancelResponseNames.Text(int64(r)) }

// String gives the standard's word for r.
func (r RejectCancelError) String() string { return rejectCancelErrorNames.Text(int64(r)) }

// String gives the standard's word for r.
func (r RejectConcludeRequest) String() string { return rejectConcludeRequestNames.Text(int64(r)) }

// String gives the standard's word for r.
func (r RejectConcludeResponse) String() string { return rejectConcludeResponseNames.Text(int64(r)) }

// String gives the standard's word for r.
func (r RejectConcludeError) String() string { return rejectConcludeErrorNames.Text(int64(r)) }

var rejectReasonDecl = asn1.Choice[RejectReason]("CHOICE",
	asn1.Alt[RejectConfirmedRequest]("confirmed-requestPDU [1]"),
	asn1.Alt[RejectConfirmedResponse]("confirmed-responsePDU [2]"),
	asn1.Alt[RejectConfirmedError]("confirmed-errorPDU [3]"),
	asn1.Alt[RejectUnconfirmed]("unconfirmedPDU [4]"),
	asn1.Alt[PDUError]("pdu-error [5]"),
	asn1.Alt[RejectCancelRequest]("cancel-requestPDU [6]"),
	asn1.Alt[RejectCancelResponse]("cancel-responsePDU [7]"),
	asn1.Alt[RejectCancelError]("cancel-errorPDU [8]"),
	asn1.Alt[RejectConcludeRequest]("conclude-requestPDU [9]"),
	asn1.Alt[RejectConcludeResponse]("conclude-responsePDU [10]"),
	asn1.Alt[RejectConcludeError]("conclude-errorPDU [11]"),
)

var rejectNumbers = []asn1.Decl{
	asn1.Numbers[RejectConfirmedRequest]("INTEGER", rejectConfirmedRequestNames),
	asn1.Numbers[RejectConfirmedResponse]("INTEGER", rejectConfirmedResponseNames),
	asn1.Numbers[RejectConfirmedError]("INTEGER", rejectConfirmedErrorNames),
	asn1.Numbers[RejectUnconfirmed]("INTEGER", rejectUnconfirmedNames),
	asn1.Numbers[PDUError]("INTEGER", pduErrorNames),
	asn1.Numbers[RejectCancelRequest]("INTEGER", rejectCancelRequestNames),
	asn1.Numbers[RejectCancelResponse]("INTEGER", rejectCancelResponseNames),
	asn1.Numbers[RejectCancelError]("INTEGER", rejectCancelErrorNames),
	asn1.Numbers[RejectConcludeRequest]("INTEGER", rejectConcludeRequestNames),
	asn1.Numbers[RejectConcludeResponse]("INTEGER", rejectConcludeResponseNames),
	asn1.Numbers[RejectConcludeError]("INTEGER", rejectConcludeErrorNames),
}
