/* Holds a JSON report to reporter/formats/report.schema.json. */
#ifndef TESTS_SCHEMA_H
#define TESTS_SCHEMA_H

/* Fails the test, naming the place, where the text does not follow the schema. */
void schema_check_report(const char *json);

#endif
