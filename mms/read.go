package mms

import (
	"busbar.example/internal/asn1"
	"busbar.example/value"
)

// ReadRequest asks for the values of variables or of a named list.
//
// ISO 9506-2, Read-Request.
type ReadRequest struct {
	SpecificationWithResult     bool                        `asn:"specificationWithResult [0] DEFAULT FALSE"`
	VariableAccessSpecification VariableAccessSpecification `asn:"variableAccessSpecification [1]"`
}

// ReadResponse has one result for each variable, in the order of the request.
//
// ISO 9506-2, Read-Response.
type ReadResponse struct {
	VariableAccessSpecification VariableAccessSpecification `asn:"variableAccessSpecification [0] OPTIONAL"` // nil unless asked for
	ListOfAccessResult          []AccessResult              `asn:"listOfAccessResult [1]"`
}

// AccessResult is *Success or, where the variable could not be read, DataAccessError.
//
// ISO 9506-2, AccessResult.
type AccessResult interface{ accessResult() }

// Success is the value that was read. It must be valid.
type Success struct {
	Value value.Value `asn:"TRANSPARENT"`
}

func (*Success) accessResult()        {}
func (DataAccessError) accessResult() {}

var accessResultDecl = asn1.Choice[AccessResult]("AccessResult",
	asn1.Alt[DataAccessError]("failure [0]"),
	asn1.Alt[*Success]("success"),
)

// DataAccessError is why a variable was not read or written.
//
// ISO 9506-2, DataAccessError.
type DataAccessError int32

// The reasons.
const (
	ObjectInvalidated           DataAccessError = 0
	HardwareFault               DataAccessError = 1
	TemporarilyUnavailable      DataAccessError = 2
	ObjectAccessDenied          DataAccessError = 3
	ObjectUndefined             DataAccessError = 4
	InvalidAddress              DataAccessError = 5
	TypeUnsupported             DataAccessError = 6
	TypeInconsistent            DataAccessError = 7
	ObjectAttributeInconsistent DataAccessError = 8
	ObjectAccessUnsupported     DataAccessError = 9
	ObjectNonExistent           DataAccessError = 10
	ObjectValueInvalid          DataAccessError = 11
)

var dataAccessErrorNames = asn1.Names{"object-invalidated", "hardware-fault", "temporarily-unavailable",
	"object-access-denied", "object-undefined", "invalid-address", "type-unsupported", "type-inconsistent",
	"object-attribute-inconsistent", "object-access-unsupported", "object-non-existent", "object-value-invalid"}

// String gives the standard's word for e.
func (e DataAccessError) String() string { return dataAccessErrorNames.Text(int64(e)) }
