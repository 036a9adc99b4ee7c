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

// ConfirmedServiceRequest is a request of one of the services that have a ServiceKind: *ReadRequest, *WriteRequest, and so
// on.
//
// ISO 9506-2, ConfirmedServiceRequest.
type ConfirmedServiceRequest interface{ request() ServiceKind }

// ConfirmedServiceResponse is a response of one of the services that have a ServiceKind: *ReadResponse, *WriteResponse,
// and so on.
//
// ISO 9506-2, ConfirmedServiceResponse.
type ConfirmedServiceResponse interface{ response() ServiceKind }

func (*StatusRequest) request() ServiceKind      { return ServiceStatus }
func (*GetNameListRequest) request() ServiceKind { return ServiceGetNameList }
func (*IdentifyRequest) request() ServiceKind    { return ServiceIdentify }
func (*ReadRequest) request() ServiceKind        { return ServiceRead }
func (*WriteRequest) request() ServiceKind       { return ServiceWrite }
func (*GetVariableAccessAttributesRequest) request() ServiceKind {
	return ServiceGetVariableAccessAttributes
}
func (*DefineNamedVariableListRequest) request() ServiceKind { return ServiceDefineNamedVariableList }
func (*GetNamedVariableListAttributesRequest) request() ServiceKind {
	return ServiceGetNamedVariableListAttributes
}
func (*DeleteNamedVariableListRequest) request() ServiceKind { return ServiceDeleteNamedVariableList }
func (*ObtainFileRequest) request() ServiceKind              { return ServiceObtainFile }
func (*ReadJournalRequest) request() ServiceKind             { return ServiceReadJournal }
func (*FileOpenRequest) request() ServiceKind                { return ServiceFileOpen }
func (*FileReadRequest) request() ServiceKind                { return ServiceFileRead }
func (*FileCloseRequest) request() ServiceKind               { return ServiceFileClose }
func (*FileDeleteRequest) request() ServiceKind              { return ServiceFileDelete }
func (*FileDirectoryRequest) request() ServiceKind           { return ServiceFileDirectory }
func (*ExtendedGetNameListRequest) request() ServiceKind     { return ServiceExtendedGetNameList }

func (*StatusResponse) response() ServiceKind      { return ServiceStatus }
func (*GetNameListResponse) response() ServiceKind { return ServiceGetNameList }
func (*IdentifyResponse) response() ServiceKind    { return ServiceIdentify }
func (*ReadResponse) response() ServiceKind        { return ServiceRead }
func (*WriteResponse) response() ServiceKind       { return ServiceWrite }
func (*GetVariableAccessAttributesResponse) response() ServiceKind {
	return ServiceGetVariableAccessAttributes
}
func (*DefineNamedVariableListResponse) response() ServiceKind { return ServiceDefineNamedVariableList }
func (*GetNamedVariableListAttributesResponse) response() ServiceKind {
	return ServiceGetNamedVariableListAttributes
}
func (*DeleteNamedVariableListResponse) response() ServiceKind { return ServiceDeleteNamedVariableList }
func (*ObtainFileResponse) response() ServiceKind              { return ServiceObtainFile }
func (*ReadJournalResponse) response() ServiceKind             { return ServiceReadJournal }
func (*FileOpenResponse) response() ServiceKind                { return ServiceFileOpen }
func (*FileReadResponse) response() ServiceKind                { return ServiceFileRead }
func (*FileCloseResponse) response() ServiceKind               { return ServiceFileClose }
func (*FileDeleteResponse) response() ServiceKind              { return ServiceFileDelete }
func (*FileDirectoryResponse) response() ServiceKind           { return ServiceFileDirectory }
func (*ExtendedGetNameListResponse) response() ServiceKind     { return ServiceExtendedGetNameList }

// RequestKind tells which service r asks for. r must not be nil.
func RequestKind(r ConfirmedServiceRequest) ServiceKind { return r.request() }

// ResponseKind tells which service r answers. r must not be nil.
func ResponseKind(r ConfirmedServiceResponse) ServiceKind { return r.response() }
