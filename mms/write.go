package mms

import (
	"busbar.example/internal/asn1"
	"busbar.example/value"
)

// WriteRequest sets variables: one value for each, in the order of the specification. The values must be valid.
//
// ISO 9506-2, Write-Request.
type WriteRequest struct {
	VariableAccessSpecification VariableAccessSpecification `asn:"variableAccessSpecification"`
	ListOfData                  []value.Value               `asn:"listOfData [0]"`
}

// WriteResponse has one result for each variable, in the order of the request.
//
// ISO 9506-2, Write-Response.
type WriteResponse struct {
	Results []WriteResult `asn:"TRANSPARENT"`
}

// WriteResult is WriteSuccess or, where the variable was not written, DataAccessError.
type WriteResult interface{ writeResult() }

// WriteSuccess says that a variable was written.
type WriteSuccess struct{}

func (WriteSuccess) writeResult()    {}
func (DataAccessError) writeResult() {}

var writeResultDecl = asn1.Choice[WriteResult]("CHOICE",
	asn1.Alt[DataAccessError]("failure [0]"),
	asn1.Alt[WriteSuccess]("success [1]"),
)
