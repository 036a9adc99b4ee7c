package mms

// ConfirmedRequest asks for a service.
//
// ISO 9506-2, Confirmed-RequestPDU. Modifiers are not supported: a request with one is a syntax error.
type ConfirmedRequest struct {
	InvokeID uint32                  `asn:"invokeID"`
	Service  ConfirmedServiceRequest `asn:"ALIAS service"`
}

// ConfirmedResponse says that a service was done.
//
// ISO 9506-2, Confirmed-ResponsePDU.
type ConfirmedResponse struct {
	InvokeID uint32                   `asn:"invokeID"`
	Service  ConfirmedServiceResponse `asn:"ALIAS service"`
}

// ConfirmedError says that a service was not done.
//
// ISO 9506-2, Confirmed-ErrorPDU.
type ConfirmedError struct {
	InvokeID         uint32       `asn:"invokeID [0]"`
	ModifierPosition *uint32      `asn:"modifierPosition [1] OPTIONAL"` // nil: no modifier is at fault
	ServiceError     ServiceError `asn:"serviceError [2]"`
}

// ConfirmedServiceRequest is *StatusRequest, *GetNameListRequest, *IdentifyRequest, *ReadRequest, *WriteRequest or
// *GetVariableAccessAttributesRequest.
//
// ISO 9506-2, ConfirmedServiceRequest.
type ConfirmedServiceRequest interface{ request() ServiceKind }

// ConfirmedServiceResponse is *StatusResponse, *GetNameListResponse, *IdentifyResponse, *ReadResponse, *WriteResponse
// or *GetVariableAccessAttributesResponse.
//
// ISO 9506-2, ConfirmedServiceResponse.
type ConfirmedServiceResponse interface{ response() ServiceKind }

func (*StatusRequest) request() ServiceKind      { return ServiceStatus }
func (*IdentifyRequest) request() ServiceKind    { return ServiceIdentify }
func (*GetNameListRequest) request() ServiceKind { return ServiceGetNameList }
func (*ReadRequest) request() ServiceKind        { return ServiceRead }
func (*WriteRequest) request() ServiceKind       { return ServiceWrite }
func (*GetVariableAccessAttributesRequest) request() ServiceKind {
	return ServiceGetVariableAccessAttributes
}

func (*StatusResponse) response() ServiceKind      { return ServiceStatus }
func (*IdentifyResponse) response() ServiceKind    { return ServiceIdentify }
func (*GetNameListResponse) response() ServiceKind { return ServiceGetNameList }
func (*ReadResponse) response() ServiceKind        { return ServiceRead }
func (*WriteResponse) response() ServiceKind       { return ServiceWrite }
func (*GetVariableAccessAttributesResponse) response() ServiceKind {
	return ServiceGetVariableAccessAttributes
}

// RequestKind tells which service r asks for. r must not be nil.
func RequestKind(r ConfirmedServiceRequest) ServiceKind { return r.request() }

// ResponseKind tells which service r answers. r must not be nil.
func ResponseKind(r ConfirmedServiceResponse) ServiceKind { return r.response() }
