"""The web server of the local stack, in place of CloudFront and API Gateway."""
