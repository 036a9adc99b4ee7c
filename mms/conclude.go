package mms

// ConcludeRequest asks to end the association.
//
// ISO 9506-2, Conclude-RequestPDU.
type ConcludeRequest struct{}

// ConcludeResponse agrees to end the association.
//
// ISO 9506-2, Conclude-ResponsePDU.
type ConcludeResponse struct{}

// ConcludeError declines to end the association.
//
// ISO 9506-2, Conclude-ErrorPDU.
type ConcludeError struct {
	ServiceError `asn:"TRANSPARENT"`
}
