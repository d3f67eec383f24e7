"""Between the API's messages and OpenAI's JSON: pure functions, both ways."""
