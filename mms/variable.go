package mms

import "busbar.example/internal/asn1"

// VariableAccessSpecification is ListOfVariable or VariableListName: the variables that a service is about.
//
// ISO 9506-2, VariableAccessSpecification.
type VariableAccessSpecification interface{ variableAccess() }

// ListOfVariable lists variables.
type ListOfVariable []Variable

// Variable is a variable, or a part of it.
type Variable struct {
	VariableSpecification VariableSpecification `asn:"variableSpecification"`
	AlternateAccess       AlternateAccess       `asn:"alternateAccess [5] OPTIONAL"` // nil: all of it
}

// VariableListName names a list of variables that the server knows.
type VariableListName struct {
	Name ObjectName `asn:"TRANSPARENT"`
}

func (ListOfVariable) variableAccess()   {}
func (VariableListName) variableAccess() {}

var variableAccessSpecificationDecl = asn1.Choice[VariableAccessSpecification]("VariableAccessSpecification",
	asn1.Alt[ListOfVariable]("listOfVariable [0] SEQUENCE OF SEQUENCE"),
	asn1.Alt[VariableListName]("variableListName [1]"),
)

// VariableSpecification is VariableName: IEC 61850 does not use the other alternatives of ISO 9506-2.
//
// ISO 9506-2, VariableSpecification.
type VariableSpecification interface{ variableSpecification() }

// VariableName names a variable.
type VariableName struct {
	Name ObjectName `asn:"TRANSPARENT"`
}

func (VariableName) variableSpecification() {}

var variableSpecificationDecl = asn1.Choice[VariableSpecification]("VariableSpecification",
	asn1.Alt[VariableName]("name [0]"),
)
