"""The web server of the local stack: what CloudFront and API Gateway do for a deployment."""
