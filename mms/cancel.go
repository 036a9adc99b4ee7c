package mms

// CancelRequest asks to give up a request that has not been answered.
//
// ISO 9506-2, Cancel-RequestPDU.
type CancelRequest struct {
	OriginalInvokeID uint32 `asn:"TRANSPARENT"`
}

// CancelResponse says that the request was given up.
//
// ISO 9506-2, Cancel-ResponsePDU.
type CancelResponse struct {
	OriginalInvokeID uint32 `asn:"TRANSPARENT"`
}

// CancelError says that the request was not given up.
//
// ISO 9506-2, Cancel-ErrorPDU.
type CancelError struct {
	OriginalInvokeID uint32       `asn:"originalInvokeID [0]"`
	ServiceError     ServiceError `asn:"serviceError [1]"`
}
